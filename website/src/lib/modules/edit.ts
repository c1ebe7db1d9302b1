import type { Check, Checks } from './checks';

/** One rule of the editor: what somebody needs, all of it or any. */
export interface Rule {
  ours: string[];
  /** Bits of Discord, in decimal. */
  discord: string[];
  all: boolean;
  /** Bound to the next one: both are needed. */
  and: boolean;
}

const list = (checks: Checks): Check[] => checks.Simple?.checks ?? checks.checks ?? [];

/** One bit of Discord per entry: a sum may not fit into a number. */
function bitsOf(values: Check['native_perms']): string[] {
  const bits: string[] = [];
  for (const value of values ?? []) {
    const sum = BigInt(value);
    for (let bit = 0n; sum >> bit > 0n; bit += 1n) if ((sum >> bit) & 1n) bits.push(String(1n << bit));
  }
  return bits;
}

export function rulesOf(checks: Checks): Rule[] {
  return list(checks).map((check) => ({
    ours: check.kittycat_perms ?? [],
    discord: bitsOf(check.native_perms),
    all: check.inner_and ?? false,
    and: check.outer_and ?? false
  }));
}

/** As a server stores them; the last one is bound to nothing. */
export function checksOf(rules: Rule[]): Checks {
  const checks = rules.map((rule, index) => ({
    kittycat_perms: rule.ours,
    native_perms: rule.discord,
    inner_and: rule.all,
    outer_and: index < rules.length - 1 && rule.and
  }));
  return { Simple: { checks } };
}

export const isTemplate = (checks: Checks): boolean => checks.Template !== undefined;
