import type { GuildShard, IncidentSummary, ServerInfo } from '$lib/api/client';
import { urgent } from '$lib/incidents/incident';
import { dangerousRoles, missingBits } from './rank';

export type Mode = 'off' | 'dry_run' | 'on';

export interface Policy {
  mode: Mode;
  alert_channel: string | null;
}

export interface Facts {
  incidents?: IncidentSummary[];
  /** `null`: this person may not see it. */
  policy?: Policy | null;
  shard?: GuildShard;
  info?: ServerInfo;
  /** When the last backup was made; `null`: there is none. */
  backup?: Date | null;
}

export type Verdict = 'attack' | 'stopped' | 'off' | 'unknown' | 'watching' | 'gaps' | 'protected';

export type Gap =
  | { gap: 'above'; roles: string[] }
  | { gap: 'permissions'; bits: number[] }
  | { gap: 'alerts' }
  | { gap: 'backup'; at: Date | null };

const BACKUP_OLD_MS = 7 * 86_400_000;

/** What is missing, the most harmful first. What is not known is no gap. */
export function gapsOf({ info, policy, backup }: Facts, now: number): Gap[] {
  const gaps: Gap[] = [];
  const bits = info ? missingBits(info) : [];
  if (bits.length > 0) gaps.push({ gap: 'permissions', bits });
  const above = info ? dangerousRoles(info).filter((role) => role.above) : [];
  if (above.length > 0) gaps.push({ gap: 'above', roles: above.map(({ role }) => role.id) });
  if (backup !== undefined && (backup === null || now - backup.getTime() > BACKUP_OLD_MS)) gaps.push({ gap: 'backup', at: backup });
  if (policy && !policy.alert_channel) gaps.push({ gap: 'alerts' });
  return gaps;
}

/** The worst that is known. No green without a reason: what is not known is never "protected". */
export function verdictOf(facts: Facts, now: number): Verdict {
  const { incidents, policy, shard } = facts;
  const { running, recent } = urgent(incidents ?? [], now);
  if (running) return 'attack';
  if (recent) return 'stopped';
  if (policy?.mode === 'off') return 'off';
  if (!policy || shard?.up !== true || !incidents || !facts.info) return 'unknown';
  if (policy.mode === 'dry_run') return 'watching';
  return gapsOf(facts, now).length > 0 ? 'gaps' : 'protected';
}
