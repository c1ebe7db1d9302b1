import { describe, expect, it } from 'vitest';
import { Locale } from '$lib/i18n/locale.svelte';
import { OPERATORS, type OperatorsKey } from '$lib/i18n/operators/locale';
import { SITE, type SiteKey } from '$lib/i18n/site/locale';
import { logLines, words } from './events';

const { t } = new Locale<OperatorsKey | SiteKey>([SITE, OPERATORS]);

const names = new Map([
  [0, 'Flare'],
  [1, 'Waffle']
]);

describe('words', () => {
  it.each([
    [{ event: 'cluster_started', id: 1, pid: 77 }, 'Cluster 1 (Waffle) was started, process 77'],
    [{ event: 'cluster_stopped', id: 7 }, 'Cluster 7 was stopped'],
    [{ event: 'cluster_crashed', id: 0, code: 1, signal: null }, 'Cluster 0 (Flare) ended by itself with status 1'],
    [{ event: 'cluster_crashed', id: 0, code: null, signal: 9 }, 'Cluster 0 (Flare) was ended by signal 9'],
    [
      { event: 'cluster_crashed', id: 0, code: null, signal: 6, signal_name: 'SIGABRT' },
      'Cluster 0 (Flare) was ended by signal SIGABRT'
    ],
    [{ event: 'cluster_backoff', id: 0, delay_s: 6, held: false }, 'Cluster 0 (Flare) starts again in 6 s'],
    [{ event: 'cluster_backoff', id: 0, delay_s: 600, held: true }, 'Cluster 0 (Flare) crashed too often and rests 600 s'],
    [{ event: 'ping_failure', id: 0 }, 'Cluster 0 (Flare) did not answer a health check'],
    [{ event: 'cluster_start_failed', via: 'observe', error: 'gone' }, 'A cluster could not be started (observe): gone'],
    [{ event: 'cluster_restart_failed', id: 1, via: 'restart' }, 'Cluster 1 (Waffle) could not be restarted (restart)'],
    [{ event: 'instance_locked_error', subsystem: 'Stop' }, 'A cluster was locked (Stop)'],
    [{ event: 'rolling_restart' }, 'A rolling restart began'],
    [{ event: 'reshard_failed', error: 'too few' }, 'The reshard failed: too few'],
    [{ event: 'operator_command', action: 'restart', id: 0, user: '7' }, 'User 7 asked for restart of cluster 0 (Flare)'],
    [{ event: 'operator_command', action: 'reshard' }, 'The command line asked for reshard'],
    [{ event: 'host_gone', host: 'b', shards: '4-7', how: 'is silent' }, 'The host b with the shards 4-7 is gone: it is silent'],
    [{ event: 'shards_missing', shards: '4-7' }, 'No host runs the shards 4-7'],
    [{ event: 'shards_launched', cluster: 0, from: 0, to: 1 }, 'Cluster 0 (Flare) launched shards 0 to 1'],
    [{ event: 'shard_ready', shard_id: 3 }, 'Shard 3 is ready'],
    [{ event: 'new', x: 1 }, '{"event":"new","x":1}']
  ])('says %o', (entry, sentence) => {
    expect(words(entry, names, t)).toBe(sentence);
  });
});

describe('logLines', () => {
  it('puts the newest first and reads microseconds', () => {
    const lines = logLines(
      [
        { event: 'rolling_restart', ts: 1_705_858_621_000_000 },
        { event: 'ping_failure', id: 0, ts: 1_705_858_622_000_000 },
        { event: 'ping_failure', id: 0, ts: 1_705_858_622_000_000 }
      ],
      names,
      t
    );
    expect(lines.map((line) => line.tone)).toEqual(['bad', 'bad', 'plain']);
    expect(lines[2]!.at?.toISOString()).toBe('2024-01-21T17:37:01.000Z');
    expect(new Set(lines.map((line) => line.key)).size).toBe(3);
    expect(logLines([{ event: 'x' }], names, t)[0]!.at).toBeNull();
  });
});
