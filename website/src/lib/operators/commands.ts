import type { InstanceList } from '$lib/api/client';
import type { ClusterRow } from '$lib/clusters/fleet';

export type Action = 'start' | 'stop' | 'restart' | 'rollingrestart' | 'reshard' | 'restartproc';

export interface Command {
  action: Action;
  /** Absent for commands of the whole fleet. */
  cluster?: number;
  /** On the button. */
  label: string;
  /** What is asked, for example "Restart cluster 1 (Waffle)". */
  title: string;
  consequence: string;
  dangerous: boolean;
}

/** A command, and why it cannot be sent now if so. */
export interface Offer extends Command {
  unavailable: string | null;
}

export function clusterOffers(row: ClusterRow, list: InstanceList): Offer[] {
  const name = `cluster ${row.id} (${row.name})`;
  const busy = list.RollRestarting
    ? 'A rolling restart is under way.'
    : row.instance.LockClusterTime
      ? 'An operation is under way.'
      : null;
  const offer = (action: Action, label: string, consequence: string): Offer => ({
    action,
    cluster: row.id,
    label,
    title: `${label} ${name}`,
    consequence,
    dangerous: action === 'stop',
    unavailable: busy
  });
  const away = 'Its servers are without the bot';
  const start = offer('start', 'Start', 'Its shards connect to Discord.');
  const stop = offer('stop', 'Stop', `${away} until somebody starts it again.`);
  const restart = offer('restart', 'Restart', `${away} until all of its shards are back.`);
  switch (row.state) {
    case 'missing':
      return [];
    case 'inactive':
      return [start];
    case 'crashed':
    case 'held':
      return [start, stop];
    default:
      return [restart, stop];
  }
}

export function fleetOffers(list: InstanceList): Offer[] {
  const busy = list.RollRestarting
    ? 'A rolling restart is under way.'
    : list.FullyUp
      ? null
      : 'Not all clusters are up.';
  return [
    {
      action: 'rollingrestart',
      label: 'Rolling restart',
      title: 'Restart all clusters, one after the other',
      consequence: 'At most one cluster is away at a time. This takes a while.',
      dangerous: false,
      unavailable: busy
    },
    {
      action: 'reshard',
      label: 'Reshard',
      title: 'Move to the number of shards that Discord recommends',
      consequence: 'When the number changes, every cluster is restarted, one after the other.',
      dangerous: false,
      unavailable: busy
    },
    {
      action: 'restartproc',
      label: 'Restart launcher',
      title: 'End the launcher and every cluster with it',
      consequence: 'The whole bot is away until the supervisor has started the launcher again and all shards are back.',
      dangerous: true,
      unavailable: null
    }
  ];
}
