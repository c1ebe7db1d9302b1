import { unwrap, type Api, type InstanceList, type ShardHealth } from '$lib/api/client';
import type { Command } from './commands';

export interface Health {
  /** An operation is under way. */
  locked: boolean;
  health: ShardHealth[];
}

/** `event`, `ts` in unix microseconds, and what belongs to the event. */
export type LogEntry = Record<string, unknown>;

/** What the dashboard asks and says; every call can fail with 401 and 412. */
export class DashboardApi {
  #api: Api;

  constructor(api: Api) {
    this.#api = api;
  }

  instances(signal?: AbortSignal): Promise<InstanceList> {
    return unwrap(this.#api.GET('/mewld/api/instance-list', { signal }));
  }

  /** Oldest first. */
  actionLog(signal?: AbortSignal): Promise<LogEntry[]> {
    return unwrap(this.#api.GET('/mewld/api/action-logs', { signal }));
  }

  health(cluster: number): Promise<Health> {
    const params = { query: { cid: String(cluster) } };
    return unwrap(this.#api.GET('/mewld/api/cluster-health', { params }));
  }

  /** Resolves when the clusterer has accepted the command; what comes of it is in the log. */
  async send({ action, cluster }: Command): Promise<void> {
    const args = cluster === undefined ? undefined : { id: cluster };
    const body = { scope: 'launcher', action, args };
    await unwrap(this.#api.POST('/mewld/api/redis/pub', { body, parseAs: 'text' }));
  }
}
