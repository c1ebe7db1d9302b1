import { describe, expect, it } from 'vitest';
import { clusterRows, fleetSummary, shardRange } from './fleet';
import { instance, instanceList } from './samples';

describe('clusterRows', () => {
  it('sums the shards of each cluster and sorts by id', () => {
    const rows = clusterRows(
      instanceList([
        instance(1, [2, 3], { ClusterHealth: null }),
        instance(0, [0, 1], {
          ClusterHealth: [
            { shard_id: 0, up: true, latency: 41, guilds: 2, users: 10 },
            { shard_id: 1, up: false, latency: 0, guilds: 1, users: 5 }
          ]
        })
      ])
    );
    expect(rows.map((row) => row.name)).toEqual(['Flare', 'Waffle']);
    expect(rows[0]).toMatchObject({ shardsUp: 1, guilds: 3, users: 15 });
  });

  it('does not know anything of a cluster without health', () => {
    const [row] = clusterRows(instanceList([instance(0, [0], { ClusterHealth: null })]));
    expect(row).toMatchObject({ shardsUp: null, guilds: null, users: null });
  });

  it('tells starting, stopping and inactive clusters apart', () => {
    const states = clusterRows(
      instanceList([
        instance(0, [0]),
        instance(1, [1], { LaunchedFully: false }),
        instance(2, [2], { CurrentlyKilling: true }),
        instance(3, [3], { Active: false })
      ])
    ).map((row) => row.state);
    expect(states).toEqual(['active', 'starting', 'stopping', 'inactive']);
  });

  it('believes a clusterer that names the state', () => {
    const named = (['running', 'queued', 'stopped', 'backoff', 'held', 'missing'] as const).map((State, id) =>
      instance(id, [id], { Process: { State, Restarts: 0, Unresponsive: false } })
    );
    const states = clusterRows(instanceList(named)).map((row) => row.state);
    expect(states).toEqual(['active', 'starting', 'inactive', 'crashed', 'held', 'missing']);
  });

  it('reads the zero time as never', () => {
    const [row] = clusterRows(instanceList([instance(0, [0], { StartedAt: '0001-01-01T00:00:00Z' })]));
    expect(row?.startedAt).toBeNull();
  });
});

describe('fleetSummary', () => {
  it('counts what is up', () => {
    const rows = clusterRows(instanceList([instance(0, [0, 1]), instance(1, [2, 3], { Active: false, ClusterHealth: null })]));
    expect(fleetSummary(rows)).toEqual({
      clustersUp: 1, clusters: 2, shardsUp: 2, shards: 4, shardsUnknown: 0, guilds: 2, users: 20, complete: false
    });
  });

  it.each([null, []])('does not take a health of %j for shards that are down', (ClusterHealth) => {
    const silent = instance(1, [2, 3], { ClusterHealth });
    expect(clusterRows(instanceList([silent]))[0]!.shardsUp).toBeNull();
    expect(fleetSummary(clusterRows(instanceList([silent])))).toMatchObject({
      shardsUp: null, shards: 2, shardsUnknown: 2, guilds: null, users: null
    });
    expect(fleetSummary(clusterRows(instanceList([instance(0, [0, 1]), silent])))).toMatchObject({
      shardsUp: 2, shards: 4, shardsUnknown: 2
    });
  });
});

describe('shardRange', () => {
  it('joins neighbours', () => {
    expect(shardRange([0, 1, 2, 5, 7, 8])).toBe('0–2, 5, 7–8');
    expect(shardRange([])).toBe('');
  });
});
