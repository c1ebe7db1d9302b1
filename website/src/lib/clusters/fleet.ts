import type { Instance, InstanceList, InstanceState, ShardHealth } from '$lib/api/client';

/** What "never" looks like in the instance list. */
const UNSET = '0001-01-01T00:00:00Z';

/** `crashed` starts again by itself, `held` only after some minutes; `missing` has no host. */
export type ClusterState =
  | 'active'
  | 'starting'
  | 'stopping'
  | 'inactive'
  | 'crashed'
  | 'held'
  | 'missing';

const STATES: Record<InstanceState, ClusterState> = {
  stopped: 'inactive',
  queued: 'starting',
  starting: 'starting',
  running: 'active',
  stopping: 'stopping',
  backoff: 'crashed',
  held: 'held',
  missing: 'missing'
};

export interface ClusterRow {
  id: number;
  name: string;
  state: ClusterState;
  shards: number[];
  /** The remaining values are null until the first health check after a start: not known. */
  shardsUp: number | null;
  guilds: number | null;
  users: number | null;
  startedAt: Date | null;
  checkedAt: Date | null;
  instance: Instance;
}

export interface FleetSummary {
  clustersUp: number;
  clusters: number;
  /** Null when no cluster has told its health. */
  shardsUp: number | null;
  shards: number;
  /** Shards of clusters that run and have not told their health. */
  shardsUnknown: number;
  guilds: number | null;
  users: number | null;
  /** Whether every cluster has told its numbers. */
  complete: boolean;
}

export function clusterRows(list: InstanceList): ClusterRow[] {
  const names = new Map(list.Map.map((entry) => [entry.ID, entry.Name]));
  return list.Instances.map((instance) => {
    const state = clusterState(instance);
    return {
      id: instance.ClusterID,
      name: names.get(instance.ClusterID) ?? `#${instance.ClusterID}`,
      state,
      shards: instance.Shards,
      ...totals(instance.ClusterHealth ?? [], state),
      startedAt: time(instance.StartedAt),
      checkedAt: time(instance.LastChecked),
      instance
    };
  }).sort((a, b) => a.id - b.id);
}

export function fleetSummary(rows: ClusterRow[]): FleetSummary {
  const sum = (value: (row: ClusterRow) => number | null): number | null => {
    const known = rows.map(value).filter((it) => it !== null);
    return known.length === 0 && rows.length > 0 ? null : known.reduce((total, it) => total + it, 0);
  };
  const shards = (counted: ClusterRow[]) =>
    counted.reduce((total, row) => total + row.shards.length, 0);
  return {
    clustersUp: rows.filter((row) => row.state === 'active').length,
    clusters: rows.length,
    shardsUp: sum((row) => row.shardsUp),
    shards: shards(rows),
    shardsUnknown: shards(rows.filter((row) => row.shardsUp === null)),
    guilds: sum((row) => row.guilds),
    users: sum((row) => row.users),
    complete: rows.every((row) => row.guilds !== null)
  };
}

/** `0–3, 8` for long runs of shards. */
export function shardRange(shards: number[]): string {
  const runs: [number, number][] = [];
  for (const shard of [...shards].sort((a, b) => a - b)) {
    const last = runs.at(-1);
    if (last && shard === last[1] + 1) last[1] = shard;
    else runs.push([shard, shard]);
  }
  return runs.map(([from, to]) => (from === to ? `${from}` : `${from}–${to}`)).join(', ');
}

function clusterState(instance: Instance): ClusterState {
  if (instance.Process) return STATES[instance.Process.State];
  if (instance.CurrentlyKilling) return 'stopping';
  if (!instance.Active) return 'inactive';
  return instance.LaunchedFully ? 'active' : 'starting';
}

const DOWN: ClusterState[] = ['inactive', 'crashed', 'held', 'missing'];

/** No health is no news, not a shard that is down; but a cluster that does not run has none up. */
function totals(health: ShardHealth[], state: ClusterState) {
  if (health.length === 0) {
    return { shardsUp: DOWN.includes(state) ? 0 : null, guilds: null, users: null };
  }
  return {
    shardsUp: health.filter((shard) => shard.up).length,
    guilds: health.reduce((total, shard) => total + shard.guilds, 0),
    users: health.reduce((total, shard) => total + shard.users, 0)
  };
}

function time(text: string): Date | null {
  return text === UNSET ? null : new Date(text);
}
