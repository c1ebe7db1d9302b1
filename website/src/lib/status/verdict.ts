import type { ClusterRow, FleetSummary } from '$lib/clusters/fleet';
import type { ApiError } from '$lib/api/client';

/** What the status page says first. */
export type Verdict = 'loading' | 'starting' | 'unknown' | 'empty' | 'up' | 'partly' | 'down';

export function verdict(summary: FleetSummary | undefined, error: ApiError | undefined): Verdict {
  if (error) return error.status === 412 ? 'starting' : 'unknown';
  if (!summary) return 'loading';
  if (summary.clusters === 0) return 'empty';
  if (summary.clustersUp === 0) return 'down';
  const known = summary.shardsUp ?? 0;
  // What has not told its health yet is not known to be down.
  return summary.clustersUp === summary.clusters && known + summary.shardsUnknown === summary.shards ? 'up' : 'partly';
}

/** Which part of the bot looks after a server. */
export interface Part {
  shard: number;
  row: ClusterRow | null;
  /** Null when its cluster has not told. */
  up: boolean | null;
  latencyMs: number | null;
}

export const isGuildId = (text: string) => /^\d{17,20}$/.test(text);

/**
 * Discord gives every server to one shard, by its id (Discord documentation, "Sharding"). `null` while
 * the number of shards is not known.
 */
export function partOf(guild: string, shards: number, rows: ClusterRow[]): Part | null {
  if (shards < 1) return null;
  const shard = Number((BigInt(guild) >> 22n) % BigInt(shards));
  const row = rows.find((row) => row.shards.includes(shard)) ?? null;
  if (row && row.state !== 'active') return { shard, row, up: row.shardsUp === 0 ? false : null, latencyMs: null };
  const health = row?.instance.ClusterHealth?.find((health) => health.shard_id === shard);
  return {
    shard,
    row,
    up: health ? health.up : null,
    latencyMs: health && health.latency > 0 ? Math.round(health.latency) : null
  };
}
