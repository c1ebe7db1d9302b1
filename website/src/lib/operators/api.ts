import { unwrap, type Api, type InstanceList, type ProxyStatus, type ShardHealth } from '$lib/api/client';
import type { Command } from './commands';

export interface Health {
  /** An operation is under way. */
  locked: boolean;
  health: ShardHealth[];
}

/** `event`, `ts` in unix microseconds, and what belongs to the event. */
export type LogEntry = Record<string, unknown>;

/** Entries that are kept; older ones are of interest to nobody who watches. */
const LONGEST_LOG = 1000;

/** What the operators' page asks and says; every call can fail with 401 and 412. */
export class OperatorsApi {
  #api: Api;
  #log: LogEntry[] = [];

  constructor(api: Api) {
    this.#api = api;
  }

  instances(signal?: AbortSignal): Promise<InstanceList> {
    return unwrap(this.#api.GET('/mewld/api/instance-list', { signal }));
  }

  /** The newest entries, oldest first. Only what is new since the last call is fetched. */
  async actionLog(signal?: AbortSignal): Promise<LogEntry[]> {
    const last = this.#log.at(-1)?.ts;
    const since = typeof last === 'number' ? last : undefined;
    const params = { query: { since, limit: LONGEST_LOG } };
    const news = await unwrap(this.#api.GET('/mewld/api/action-logs', { params, signal }));
    this.#log = continued(this.#log, news).slice(-LONGEST_LOG);
    return this.#log;
  }

  health(cluster: number): Promise<Health> {
    const params = { query: { cid: String(cluster) } };
    return unwrap(this.#api.GET('/mewld/api/cluster-health', { params }));
  }

  proxy(signal?: AbortSignal): Promise<ProxyStatus> {
    return unwrap(this.#api.GET('/mewld/api/proxy', { signal }));
  }

  /** Resolves when the clusterer has accepted the command; what comes of it is in the log. */
  async send({ action, cluster }: Command): Promise<void> {
    const args = cluster === undefined ? undefined : { id: cluster };
    const body = { scope: 'launcher', action, args };
    await unwrap(this.#api.POST('/mewld/api/redis/pub', { body, parseAs: 'text' }));
  }
}

/**
 * The log with its continuation, which begins with the entries that bear the last known time. When
 * it does not, the log was cut or began anew, and the answer is all there is.
 */
export function continued(log: LogEntry[], news: LogEntry[]): LogEntry[] {
  const last = log.at(-1)?.ts;
  if (last === undefined || news[0]?.ts !== last) return news;
  return [...log.slice(0, log.findIndex((entry) => entry.ts === last)), ...news];
}
