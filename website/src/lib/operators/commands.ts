import type { OperatorsLocale } from '$lib/i18n/operators/locale';
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

type T = OperatorsLocale['t'];

export function clusterOffers(row: ClusterRow, list: InstanceList, t: T): Offer[] {
  const cluster = t('command.cluster', { id: String(row.id), name: row.name });
  const busy = list.RollRestarting
    ? t('command.busyRolling')
    : row.instance.LockClusterTime
      ? t('command.busyLocked')
      : null;
  const offer = (action: 'start' | 'stop' | 'restart'): Offer => ({
    action,
    cluster: row.id,
    label: t(`command.${action}`),
    title: t(`command.${action}Title`, { cluster }),
    consequence: t(`command.${action}Help`),
    dangerous: action === 'stop',
    unavailable: busy
  });
  switch (row.state) {
    case 'missing':
      return [];
    case 'inactive':
      return [offer('start')];
    case 'crashed':
    case 'held':
      return [offer('start'), offer('stop')];
    default:
      return [offer('restart'), offer('stop')];
  }
}

export function fleetOffers(list: InstanceList, t: T): Offer[] {
  const busy = list.RollRestarting
    ? t('command.busyRolling')
    : list.FullyUp
      ? null
      : t('command.busyDown');
  const offer = (
    action: Action,
    text: 'rolling' | 'reshard' | 'relaunch',
    unavailable: string | null
  ): Offer => ({
    action,
    label: t(`command.${text}`),
    title: t(`command.${text}Title`),
    consequence: t(`command.${text}Help`),
    dangerous: text === 'relaunch',
    unavailable
  });
  return [
    offer('rollingrestart', 'rolling', busy),
    offer('reshard', 'reshard', busy),
    offer('restartproc', 'relaunch', null)
  ];
}
