import type { Counts, Drill, DrillKind } from '../types';

export const KINDS: Record<DrillKind, { label: string; about: string }> = {
  raid: { label: 'Raid', about: 'Newcomers join and write, all at once.' },
  spam: { label: 'Spam', about: 'Members flood the channels.' },
  nuke: { label: 'Nuke', about: 'A rogue administrator deletes and bans.' },
  'token-leak': { label: 'Token leak', about: 'A bot of the server is taken over.' }
};

/** Whether several accounts can take part. */
export const hasActors = (kind: DrillKind) => kind === 'spam' || kind === 'nuke';

export function state(drill: Drill): string {
  if (drill.state === 'attacking') return 'Attacking';
  if (drill.state === 'watching') return 'Watching the defence';
  const ends: Record<string, string> = {
    completed: 'Completed',
    attackers_gone: 'Attackers gone',
    stopped: 'Stopped',
    guild_gone: 'Server gone'
  };
  return ends[drill.end ?? ''] ?? 'Finished';
}

/** Discord's error codes that attackers meet. */
const REFUSALS: Record<string, string> = {
  '10003': 'unknown channel',
  '10004': 'unknown server',
  '10007': 'unknown member',
  '40007': 'banned',
  '40012': 'invites paused',
  '50001': 'no access',
  '50013': 'no permission',
  '429': 'rate limited',
  '401': 'token invalid'
};

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
export function parts(drill: Drill): { title: string; figures: Figure[] }[] {
  return [
    { title: 'Achieved', figures: figures(drill.achieved, words) },
    { title: 'Refused', figures: figures(drill.refused, (code) => REFUSALS[code] ?? `error ${code}`) },
    { title: 'Defended', figures: figures(drill.defended, words) },
    { title: 'Undone', figures: figures(drill.undone, words) },
    { title: 'Remains', figures: figures(drill.remains, words) }
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
export function duration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return '–';
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}
