import { describe, expect, it } from 'vitest';
import { ApiError, type Instance } from '$lib/api/client';
import { clusterRows, fleetSummary } from '$lib/clusters/fleet';
import { instance, instanceList } from '$lib/clusters/samples';
import { isGuildId, partOf, verdict } from './verdict';

const healthy = (id: number) => instance(id, [2 * id, 2 * id + 1]);
const starting = (id: number) => instance(id, [2 * id, 2 * id + 1], { LaunchedFully: false, ClusterHealth: null });
const stopped = (id: number) => instance(id, [2 * id, 2 * id + 1], { Active: false, ClusterHealth: null });

const rows = (...instances: Instance[]) => clusterRows(instanceList(instances));
const said = (...instances: Instance[]) => verdict(fleetSummary(rows(...instances)), undefined);

describe('verdict', () => {
  it('says what holds for most servers', () => {
    expect(said(healthy(0))).toBe('up');
    expect(said(healthy(0), stopped(1))).toBe('partly');
    expect(said(stopped(0), stopped(1))).toBe('down');
    expect(said(healthy(0), starting(1))).toBe('partly');
    expect(said()).toBe('empty');
  });

  it('never calls what it does not know up', () => {
    const summary = fleetSummary(rows(healthy(0)));
    expect(verdict(summary, new ApiError('away', 0, 'unreachable'))).toBe('unknown');
    expect(verdict(summary, new ApiError('starting', 412, 'fleet_unavailable'))).toBe('starting');
    expect(verdict(undefined, undefined)).toBe('loading');
  });
});

describe('the part of a server', () => {
  it('follows from the id, beyond the digits of a number', () => {
    // (1100000000005373952 >> 22) % 4 = 1
    expect(partOf('1100000000005373952', 4, rows(healthy(0)))).toMatchObject({ shard: 1, up: true });
    expect(partOf('1100000000013762560', 4, rows(healthy(0)))).toMatchObject({ shard: 3, row: null, up: null });
    expect(partOf('1100000000013762560', 0, [])).toBeNull();
    expect(['harbour', '123', '1100000000013762560'].map(isGuildId)).toEqual([false, false, true]);
  });

  it('is down with its cluster, and unknown while that starts', () => {
    expect(partOf('1100000000001179648', 4, rows(stopped(0)))).toMatchObject({ shard: 0, up: false });
    expect(partOf('1100000000001179648', 4, rows(starting(0)))).toMatchObject({ shard: 0, up: null });
  });
});
