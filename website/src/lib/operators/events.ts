import type { OperatorsKey, OperatorsLocale } from '$lib/i18n/operators/locale';
import type { Values } from '$lib/i18n/message';
import type { LogEntry } from './api';

export type Tone = 'good' | 'bad' | 'plain';

export interface LogLine {
  /** Stays with its entry when others follow. */
  key: string;
  at: Date | null;
  text: string;
  tone: Tone;
  entry: LogEntry;
}

const BAD = new Set([
  'ping_failure',
  'cluster_crashed',
  'cluster_backoff',
  'cluster_start_failed',
  'cluster_restart_failed',
  'instance_locked_error',
  'identify_budget_wait',
  'reshard_failed',
  'shutdown',
  'host_gone',
  'shards_missing'
]);
const GOOD = new Set([
  'cluster_started',
  'reshard_success',
  'shards_launched',
  'shard_ready',
  'host_joined',
  'shards_complete'
]);

/** Newest first. */
export function logLines(log: LogEntry[], names: Map<number, string>, t: OperatorsLocale['t']): LogLine[] {
  const sameTime = new Map<unknown, number>();
  const lines = log.map((entry) => {
    const earlier = sameTime.get(entry.ts) ?? 0;
    sameTime.set(entry.ts, earlier + 1);
    return {
      key: `${String(entry.ts)}/${earlier}`,
      at: typeof entry.ts === 'number' ? new Date(entry.ts / 1000) : null,
      text: words(entry, names, t),
      tone: tone(entry),
      entry
    };
  });
  return lines.reverse();
}

function tone({ event }: LogEntry): Tone {
  if (typeof event !== 'string') return 'plain';
  return BAD.has(event) ? 'bad' : GOOD.has(event) ? 'good' : 'plain';
}

/** One sentence; an event that is not known is shown as it is. */
export function words(entry: LogEntry, names: Map<number, string>, t: OperatorsLocale['t']): string {
  const has = (field: string) => (entry[field] ?? null) !== null;
  /** Numbers of the log are ids and codes: they are written as they are. */
  const of = (field: string): string => {
    const value = entry[field];
    if (value === undefined || value === null) return '?';
    return typeof value === 'object' ? JSON.stringify(value) : String(value);
  };
  const named = (field: string): string => {
    if (!has(field)) return t('event.clusterUnknown');
    const name = names.get(Number(entry[field]));
    const id = of(field);
    return name === undefined ? t('event.clusterUnnamed', { id }) : t('command.cluster', { id, name });
  };
  const say = (key: OperatorsKey, values: Values = {}): string => {
    const text = t(key, { cluster: named('id'), ...values });
    return text.charAt(0).toLocaleUpperCase() + text.slice(1);
  };
  const why = (without: OperatorsKey, withReason: OperatorsKey, values: Values = {}) =>
    has('error') ? say(withReason, { ...values, error: of('error') }) : say(without, values);

  switch (entry.event) {
    case 'cluster_started':
      return say('event.started', { pid: of('pid') });
    case 'cluster_stopped':
      return say('event.stopped');
    case 'cluster_crashed':
      return has('signal')
        ? say('event.signal', { signal: of(has('signal_name') ? 'signal_name' : 'signal') })
        : say('event.exit', { code: of('code') });
    case 'cluster_backoff':
      return say(entry.held === true ? 'event.held' : 'event.backoff', { seconds: of('delay_s') });
    case 'ping_failure':
      return say('event.ping');
    case 'cluster_start_failed':
      return why('event.startFailed', 'event.startFailedWhy', { via: of('via') });
    case 'cluster_restart_failed':
      return why('event.restartFailed', 'event.restartFailedWhy', { via: of('via') });
    case 'instance_locked_error':
      return say('event.locked', { subsystem: of('subsystem') });
    case 'identify_budget_wait':
      return say('event.budget', { seconds: of('wait_s'), remaining: of('remaining') });
    case 'rolling_restart':
      return say('event.rolling');
    case 'reshard_begin':
      return say('event.reshard');
    case 'reshard_success':
      return say('event.resharded');
    case 'reshard_failed':
      return why('event.reshardFailed', 'event.reshardFailedWhy');
    case 'shutdown':
      return say('event.shutdown');
    case 'host_joined':
      return say('event.hostJoined', { host: of('host'), shards: of('shards') });
    case 'host_gone':
      return say('event.hostGone', { host: of('host'), shards: of('shards'), how: of('how') });
    case 'shards_missing':
      return say('event.shardsMissing', { shards: of('shards') });
    case 'shards_complete':
      return say('event.shardsComplete');
    case 'operator_command': {
      const values = { user: of('user'), action: of('action') };
      if (has('user')) return say(has('id') ? 'event.byUserOf' : 'event.byUser', values);
      return say(has('id') ? 'event.byCliOf' : 'event.byCli', values);
    }
    case 'shards_launched':
      return say('event.launched', { cluster: named('cluster'), from: of('from'), to: of('to') });
    case 'shard_ready':
      return say('event.shardReady', { shard: of('shard_id') });
    default:
      return JSON.stringify(entry);
  }
}
