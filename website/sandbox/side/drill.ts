import type { SandboxLocale } from '../i18n/locale';
import type { ActOfDrill, Counts, Drill, DrillKind, NewDrill, Pace, RaidManner, RaidStyle } from '../types';

type T = SandboxLocale['t'];

export const KINDS: DrillKind[] = ['raid', 'spam', 'nuke', 'token-leak'];

const isKind = (kind: string): kind is DrillKind => (KINDS as string[]).includes(kind);

/** The name of a drill's kind; as it came when the page does not know it. */
export const kindOf = (drill: Drill, t: T) => (isKind(drill.kind) ? t(`drills.${drill.kind}`) : drill.kind);

/** Whether several accounts can take part. */
export const hasActors = (kind: DrillKind) => kind === 'spam' || kind === 'nuke';

export const PACES: Pace[] = ['steady', 'uneven', 'slow'];
export const STYLES: RaidStyle[] = ['fresh', 'aged', 'batch'];
export const MANNERS: RaidManner[] = ['post', 'join-leave', 'rejoin', 'request'];

/** What a nuke or a leaked token can do, as the sandbox names it. */
export const ACTS = [
  'grant-administrator',
  'hide-channel',
  'disarm-bot',
  'kick-bot',
  'create-channel',
  'delete-channel',
  'ban',
  'edit-server',
  'create-webhook',
  'webhook-post',
  'rename-channel',
  'edit-overwrite',
  'strip-roles',
  'edit-role',
  'reorder-roles',
  'delete-invite',
  'delete-automod-rule',
  'kick',
  'delete-emoji',
  'delete-sticker',
  'create-thread',
  'delete-integration',
  'delete-role',
  'bulk-ban',
  'post',
  'direct-message',
  'prune'
];

/** What the form holds; an empty field is left to the sandbox. */
export interface Wishes {
  kind: DrillKind;
  size?: number | null;
  rate?: number | null;
  actors?: number | null;
  wave?: number | null;
  watch?: number | null;
  pace: Pace;
  style: RaidStyle;
  manner: RaidManner;
  acts: string[];
  above: boolean;
  own: boolean;
  once: boolean;
}

export const destroys = (kind: DrillKind) => kind === 'nuke' || kind === 'token-leak';

/** The order: nothing in it that a drill of this kind knows nothing of. */
export function order(wishes: Wishes, guild: string): NewDrill {
  const { kind } = wishes;
  const drill: NewDrill = {
    kind,
    guild_id: guild,
    size: wishes.size ?? undefined,
    rate: wishes.rate ?? undefined,
    watch_ms: typeof wishes.watch === 'number' ? Math.round(wishes.watch * 1000) : undefined,
    pace: wishes.pace === 'steady' ? undefined : wishes.pace
  };
  if (kind === 'raid') {
    drill.style = wishes.style;
    drill.manner = wishes.manner;
    drill.wave = wishes.wave ?? undefined;
  }
  if (kind === 'spam' && wishes.once) drill.once = true;
  else if (hasActors(kind)) drill.actors = wishes.actors ?? undefined;
  if (destroys(kind)) {
    if (wishes.acts.length > 0) drill.acts = wishes.acts;
    if (kind === 'token-leak' && wishes.own) drill.own_token = true;
    else drill.above_bot = wishes.above;
  }
  return drill;
}

const ENDS = ['completed', 'attackers_gone', 'stopped', 'guild_gone'] as const;

export function state(drill: Drill, t: T): string {
  if (drill.state === 'attacking' || drill.state === 'watching') return t(`drills.${drill.state}`);
  return t(`drills.${ENDS.find((end) => end === drill.end) ?? 'finished'}`);
}

/** Discord's error codes that attackers meet. */
const REFUSALS = ['10003', '10004', '10007', '40007', '40012', '50001', '50013', '429', '401'] as const;

export interface Figure {
  label: string;
  count: number;
}

const figures = (counts: Counts, label: (key: string) => string): Figure[] =>
  Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([key, count]) => ({ label: label(key), count }));

const words = (key: string) => key.replaceAll('_', ' ');

/** The parts of a report that have something to say. */
export function parts(drill: Drill, t: T): { title: string; figures: Figure[] }[] {
  const refusal = (code: string) => {
    const known = REFUSALS.find((other) => other === code);
    return known ? t(`drills.${known}`) : t('drills.error', { code });
  };
  return [
    { title: t('drills.achieved'), figures: figures(drill.achieved, words) },
    { title: t('drills.refused'), figures: figures(drill.refused, refusal) },
    { title: t('drills.defended'), figures: figures(drill.defended, words) },
    { title: t('drills.undone'), figures: figures(drill.undone, words) },
    { title: t('drills.remains'), figures: figures(drill.remains, words) }
  ].filter((part) => part.figures.length > 0);
}

/** How long after its first success the first defence against an act came. */
export const delay = (act: ActOfDrill) =>
  act.first_defence_ms === null || act.first_success_ms === null
    ? null
    : act.first_defence_ms - act.first_success_ms;

/** What happened to innocents, when anything did. */
export const innocents = (drill: Drill): Figure[] => figures(drill.innocents, words);

export const actName = (act: string) => act.replaceAll('-', ' ');

export interface Bar {
  attack: number;
  refused: number;
  defence: number;
}

/** The timeline in so many bars of equal length, and the tallest of them. */
export function bars(drill: Drill, count: number): { bars: Bar[]; most: number; lastMs: number } {
  const lastMs = Math.max(0, ...drill.timeline.map((entry) => entry.at_ms));
  const bars: Bar[] = Array.from({ length: count }, () => ({ attack: 0, refused: 0, defence: 0 }));
  for (const entry of drill.timeline) {
    const bar = bars[Math.min(count - 1, Math.floor((entry.at_ms / (lastMs + 1)) * count))];
    if (bar && (entry.side === 'attack' || entry.side === 'refused' || entry.side === 'defence')) {
      bar[entry.side] += entry.count;
    }
  }
  const most = Math.max(1, ...bars.map((bar) => bar.attack + bar.refused + bar.defence));
  return { bars, most, lastMs };
}

/** `1.2 s`, `3 min 5 s`; `–` when it never happened. */
export function duration(ms: number | null | undefined, { t, fixed }: Pick<SandboxLocale, 't' | 'fixed'>): string {
  if (ms === null || ms === undefined) return t('ui.none');
  if (ms < 60_000) return t('time.s', { s: fixed(ms / 1000, 1) });
  return t('time.min', { min: Math.floor(ms / 60_000), s: Math.round((ms % 60_000) / 1000) });
}
