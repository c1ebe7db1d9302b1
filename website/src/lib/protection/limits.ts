import type { Row } from '$lib/settings/calls';
import { partOf, type Part } from '$lib/incidents/incident';
import { en } from '$lib/i18n/server/en';

export const WHOSE = ['moderator', 'administrator', 'bot'] as const;
export const SPANS = ['minute', 'hour', 'day'] as const;
export type Whose = (typeof WHOSE)[number];
export type Span = (typeof SPANS)[number];

/** What stands in the nine fields of one kind of act. */
export type Grid = Record<Whose, Record<Span, string>>;

/** Kinds of acts that limits are about, by what they are done to. */
export const KINDS: readonly string[] = Object.keys(en).filter((key) => key.startsWith('act.')).map((key) => key.slice('act.'.length));

export function kindsByPart(): [Part, string[]][] {
  const parts = new Map<Part, string[]>();
  for (const kind of KINDS) parts.set(partOf(kind), [...(parts.get(partOf(kind)) ?? []), kind]);
  return [...parts].sort(([a], [b]) => ORDER.indexOf(a) - ORDER.indexOf(b));
}

/** What is broken first in an attack stands first. */
const ORDER: Part[] = ['channels', 'roles', 'bans', 'members', 'settings', 'others', 'expressions', 'automod', 'events'];

/** The fields of a kind; empty: as usual for a server of this size. */
export function gridOf(kind: string, rows: Row[]): Grid {
  const of = (whose: Whose) => {
    const row = rows.find((row) => row.limit === `${kind}/${whose}`);
    return Object.fromEntries(SPANS.map((span) => [span, row?.[span] == null ? '' : String(row[span])])) as Record<Span, string>;
  };
  return Object.fromEntries(WHOSE.map((whose) => [whose, of(whose)])) as Grid;
}

export const isSet = (grid: Grid): boolean => WHOSE.some((whose) => SPANS.some((span) => grid[whose][span] !== ''));

export type Fault = 'number' | 'order';

/** What is wrong with a row of fields: a longer time cannot have a smaller number. */
export function faultOf(fields: Record<Span, string>): Fault | null {
  const texts = SPANS.map((span) => fields[span].trim()).filter((text) => text !== '');
  if (!texts.every((text) => /^[1-9]\d{0,8}$/.test(text))) return 'number';
  const numbers = texts.map(Number);
  return numbers.every((number, index) => index === 0 || number >= numbers[index - 1]!) ? null : 'order';
}

export type Order = { operation: 'Create' | 'Update'; fields: Row } | { operation: 'Delete'; fields: Row };

/** What has to be asked for so that `after` holds; rows that stay are not touched. */
export function ordersOf(kind: string, before: Grid, after: Grid): Order[] {
  return WHOSE.flatMap((whose): Order[] => {
    const [was, will] = [before[whose], after[whose]];
    if (SPANS.every((span) => was[span].trim() === will[span].trim())) return [];
    const limit = `${kind}/${whose}`;
    const empty = (fields: Record<Span, string>) => SPANS.every((span) => fields[span].trim() === '');
    if (empty(will)) return [{ operation: 'Delete', fields: { limit } }];
    const values = Object.fromEntries(SPANS.map((span) => [span, will[span].trim() === '' ? null : Number(will[span])]));
    return [{ operation: empty(was) ? 'Create' : 'Update', fields: { limit, ...values } }];
  });
}
