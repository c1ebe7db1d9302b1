import type { SandboxLocale } from '../i18n/locale';
import type { Counts, Drill, DrillKind } from '../types';

type T = SandboxLocale['t'];

export const KINDS: DrillKind[] = ['raid', 'spam', 'nuke', 'token-leak'];

const isKind = (kind: string): kind is DrillKind => (KINDS as string[]).includes(kind);

/** The name of a drill's kind; as it came when the page does not know it. */
export const kindOf = (drill: Drill, t: T) => (isKind(drill.kind) ? t(`drills.${drill.kind}`) : drill.kind);

/** Whether several accounts can take part. */
export const hasActors = (kind: DrillKind) => kind === 'spam' || kind === 'nuke';

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
