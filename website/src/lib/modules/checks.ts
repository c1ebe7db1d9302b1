import type { SiteLocale } from '$lib/i18n/site/locale';
import { permissionNames } from './discord';

export interface Check {
  kittycat_perms?: string[];
  /** Decimal: numbers would lose digits. */
  native_perms?: (string | number)[];
  outer_and?: boolean;
  inner_and?: boolean;
}

/** What a command asks of whoever runs it, as rows and the bot write it. */
export interface Checks {
  checks?: Check[];
  Simple?: { checks: Check[] };
  Template?: { template: string };
}

/** Who passes, as one sentence. An empty list of checks lets everybody in. */
export function whoPasses(checks: Checks, { t, list }: Pick<SiteLocale, 't' | 'list'>): string {
  if (checks.Template) return t('commands.template');
  const all = checks.Simple?.checks ?? checks.checks ?? [];
  // AND binds the check to the next one; groups are alternatives.
  const groups: Check[][] = [[]];
  all.forEach((check, index) => {
    groups.at(-1)!.push(check);
    if (!check.outer_and && index < all.length - 1) groups.push([]);
  });
  const texts = groups.map((group) => {
    const parts = group.map((check) => {
      const names = [
        ...(check.native_perms ?? []).flatMap((bits) =>
          permissionNames(BigInt(bits), (bit) => t('commands.unknownBit', { bit: String(bit) }))
        ).map((permission) => t('commands.discord', { permission })),
        ...(check.kittycat_perms ?? []).map((permission) => t('commands.ours', { permission: `“${permission}”` }))
      ];
      return list(names, check.inner_and ? 'conjunction' : 'disjunction');
    });
    return list(parts.filter(Boolean), 'conjunction');
  });
  // A check without a permission lets everybody through, and with it its whole group.
  if (all.length === 0 || texts.some((text) => text === '')) return t('commands.everybody');
  return list(texts, 'disjunction');
}
