import type { Instance, InstanceList } from '$lib/api/client';

/** Instances for tests: two healthy shards have one guild of ten users each. */
export function instance(id: number, shards: number[], changes: Partial<Instance> = {}): Instance {
  return {
    ClusterID: id,
    SessionID: '',
    Shards: shards,
    StartedAt: '2026-01-01T00:00:00Z',
    LastChecked: '2026-01-01T00:05:00Z',
    Active: true,
    LaunchedFully: true,
    CurrentlyKilling: false,
    LockClusterTime: null,
    ClusterHealth: shards.map((shard) => ({ shard_id: shard, up: true, latency: 40, guilds: 1, users: 10 })),
    ...changes
  };
}

export function instanceList(instances: Instance[]): InstanceList {
  const names = ['Flare', 'Waffle', 'Aqua'];
  return {
    LastClusterStartedAt: '2026-01-01T00:00:00Z',
    Map: instances.map(({ ClusterID, Shards }) => ({
      ID: ClusterID,
      Name: names[ClusterID] ?? `Cluster-${ClusterID}`,
      Shards
    })),
    Instances: instances,
    ShardCount: instances.flatMap((instance) => instance.Shards).length,
    GetGatewayBot: {
      url: 'wss://gateway.test',
      shards: 1,
      session_start_limit: { total: 1000, remaining: 998, reset_after: 0, max_concurrency: 1 }
    },
    Dir: '',
    RollRestarting: false,
    FullyUp: true
  };
}
