import type { LogEntry } from './api';

export type Tone = 'good' | 'bad' | 'plain';

export interface LogLine {
  /** Distinguishes the lines of one answer. */
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
export function logLines(log: LogEntry[], names: Map<number, string>): LogLine[] {
  return log
    .map((entry, index) => ({
      key: `${String(entry.ts)}/${index}`,
      at: typeof entry.ts === 'number' ? new Date(entry.ts / 1000) : null,
      text: words(entry, names),
      tone: tone(entry),
      entry
    }))
    .reverse();
}

function tone({ event }: LogEntry): Tone {
  if (typeof event !== 'string') return 'plain';
  return BAD.has(event) ? 'bad' : GOOD.has(event) ? 'good' : 'plain';
}

/** One sentence; an event that is not known is shown as it is. */
export function words(entry: LogEntry, names: Map<number, string>): string {
  const of = (field: string) => {
    const value = entry[field];
    if (value === undefined || value === null) return '?';
    return typeof value === 'object' ? JSON.stringify(value) : String(value);
  };
  const named = (field: string) => {
    const id = entry[field] ?? null;
    if (id === null) return 'a cluster';
    const name = names.get(Number(id));
    return name === undefined ? `cluster ${of(field)}` : `cluster ${of(field)} (${name})`;
  };
  const has = (field: string) => (entry[field] ?? null) !== null;
  const cluster = named('id');
  const reason = has('error') ? `: ${of('error')}` : '';
  const sentence = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

  switch (entry.event) {
    case 'cluster_started':
      return sentence(`${cluster} was started, process ${of('pid')}`);
    case 'cluster_stopped':
      return sentence(`${cluster} was stopped`);
    case 'cluster_crashed':
      return sentence(
        has('signal')
          ? `${cluster} was ended by signal ${of('signal')}`
          : `${cluster} ended by itself with status ${of('code')}`
      );
    case 'cluster_backoff':
      return sentence(
        entry.held === true
          ? `${cluster} crashed too often and rests ${of('delay_s')} s`
          : `${cluster} starts again in ${of('delay_s')} s`
      );
    case 'ping_failure':
      return sentence(`${cluster} did not answer a health check`);
    case 'cluster_start_failed':
      return sentence(`${cluster} could not be started (${of('via')})${reason}`);
    case 'cluster_restart_failed':
      return sentence(`${cluster} could not be restarted (${of('via')})${reason}`);
    case 'instance_locked_error':
      return sentence(`${cluster} was locked (${of('subsystem')})`);
    case 'identify_budget_wait':
      return `Waiting ${of('wait_s')} s: Discord allows only ${of('remaining')} more identifies`;
    case 'rolling_restart':
      return 'A rolling restart began';
    case 'reshard_begin':
      return 'A reshard began';
    case 'reshard_success':
      return 'The reshard is done';
    case 'reshard_failed':
      return `The reshard failed${reason}`;
    case 'shutdown':
      return 'The launcher shut the fleet down';
    case 'host_joined':
      return `The host ${of('host')} joined with the shards ${of('shards')}`;
    case 'host_gone':
      return `The host ${of('host')} with the shards ${of('shards')} is gone: it ${of('how')}`;
    case 'shards_missing':
      return `No host runs the shards ${of('shards')}`;
    case 'shards_complete':
      return 'Every shard has a host';
    case 'operator_command': {
      const who = has('user') ? `User ${of('user')}` : 'The command line';
      return `${who} asked for ${of('action')}${has('id') ? ` of ${cluster}` : ''}`;
    }
    case 'shards_launched':
      return sentence(`${named('cluster')} launched shards ${of('from')} to ${of('to')}`);
    case 'shard_ready':
      return `Shard ${of('shard_id')} is ready`;
    default:
      return JSON.stringify(entry);
  }
}
