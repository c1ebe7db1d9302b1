import { unwrap, type Api, type StatusEntry, type Task, type TaskProgress } from '$lib/api/client';
import { follow, type StreamState } from '$lib/live/follow';
import { Poller } from '$lib/polling/poller.svelte';
import { isOpen } from './task';

/** Where the stream tells of it, it is asked for only now and then. */
const TOLD_MS = 60_000;
const UNTOLD_MS = 3000;
/** Lines that are kept; the newest matter. */
const MOST = 1000;

/** A job of a server while it runs: its log line by line, over every break, until it has ended. */
export class Watch {
  readonly task: Poller<Task>;
  progress = $state.raw<TaskProgress | null>(null);
  state = $state<StreamState>('connecting');

  #lines = $state.raw<StatusEntry[]>([]);
  #api: Api;
  #path: { guild_id: string; job: string };

  constructor(api: Api, guild_id: string, job: string) {
    this.#api = api;
    this.#path = { guild_id, job };
    this.task = new Poller(
      (signal) => unwrap(api.GET('/guilds/{guild_id}/jobs/{job}', { params: { path: this.#path }, signal })),
      () => (this.#ended ? 10 * TOLD_MS : this.state === 'live' ? TOLD_MS : UNTOLD_MS)
    );
  }

  get #ended(): boolean {
    const { value } = this.task;
    return value !== undefined && !isOpen(value.state);
  }

  /** What it wrote so far. */
  get log(): StatusEntry[] {
    const known = this.task.value?.statuses ?? [];
    return this.#ended || known.length > this.#lines.length ? known : this.#lines;
  }

  start(): () => void {
    const given = new AbortController();
    const stop = this.task.start();
    void this.#follow(given.signal);
    return () => {
      given.abort();
      stop();
    };
  }

  #follow(signal: AbortSignal): Promise<void> {
    return follow({
      open: async (last, signal) => {
        const header = last === null ? {} : { 'Last-Event-ID': last };
        const params = { path: this.#path, header };
        const body = await unwrap(this.#api.GET('/guilds/{guild_id}/jobs/{job}/log', { params, parseAs: 'stream', signal }));
        return body as unknown as ReadableStream<Uint8Array>;
      },
      hear: ({ event, data }) => {
        if (event === 'entry') this.#lines = [...this.#lines, JSON.parse(data) as StatusEntry].slice(-MOST);
        else if (event === 'progress') this.progress = JSON.parse(data) as TaskProgress;
        else if (event === 'end') {
          void this.task.refresh();
          return isOpen((JSON.parse(data) as Pick<Task, 'state'>).state) ? undefined : 'end';
        }
      },
      state: (state) => (this.state = state),
      signal
    });
  }
}
