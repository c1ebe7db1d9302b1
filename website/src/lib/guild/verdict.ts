import type { components } from '$lib/api/schema';

export type Overview = components['schemas']['GuildOverview'];
export type Health = components['schemas']['GuildHealth'];
export type Mode = 'off' | 'dry_run' | 'on';
export type Verdict = 'attack' | 'stopped' | 'off' | 'unknown' | 'watching' | 'gaps' | 'protected';

const STATES: Record<Overview['state'], Verdict> = {
  attack_running: 'attack',
  not_put_back: 'stopped',
  off: 'off',
  unknown: 'unknown',
  only_watching: 'watching',
  gaps: 'gaps',
  protected: 'protected'
};

/**
 * The worst that is known. No green without a reason: a state that cannot be had any more, or that is newer
 * than this page, is not known; an attack stays one.
 */
export function verdictOf(overview: Overview | undefined, current: boolean): Verdict {
  const verdict = (overview && STATES[overview.state]) ?? 'unknown';
  return current || verdict === 'attack' ? verdict : 'unknown';
}

/** Findings by what they keep somebody from, worst first; one that is newer than this page may be the worst. */
const RANK = ['bad', 'weak', 'advice'];

export function findingsOf(health: Health | null | undefined): Health['findings'] {
  const rank = ({ severity }: Health['findings'][number]) => RANK.indexOf(severity);
  return [...(health?.findings ?? [])].sort((a, b) => rank(a) - rank(b));
}

export const hiddenCount = (health: Health): number => health.hidden.reduce((sum, { channels }) => sum + channels.length, 0);
