import { createContext } from 'svelte';
import { ApiError, unwrap, type Api, type Approval, type GuildEventKind, type GuildShard, type IncidentSummary, type ServerInfo } from '$lib/api/client';
import { Poller } from '$lib/polling/poller.svelte';
import { tabStore, type Store } from '$lib/storage';
import { People } from './people.svelte';
import { RIGHTS } from './sections';
import { Stream } from './stream.svelte';

/** Between two looks while the stream tells what happens, and while it does not. */
const TOLD_MS = 60_000;
const UNTOLD_MS = 10_000;
/** The server's roles are asked for 5 times in 5 minutes at most, over all tabs. */
const FRESH_MS = 60_000;
const USABLE_MS = 5 * 60_000;

/** One server, for all its pages: they ask for nothing that is here already. */
export class Server {
  readonly id: string;
  readonly stream: Stream;
  readonly people: People;

  info = $state.raw<ServerInfo>();
  /** Why there is no `info`. */
  failure = $state.raw<ApiError>();
  /** Commands of the bot that this person may run; `undefined` while nobody knows. */
  #may = $state.raw<ReadonlySet<string>>();

  readonly shard: Poller<GuildShard>;
  readonly incidents: Poller<IncidentSummary[]>;
  readonly approvals: Poller<Approval[]>;

  #api: Api;
  #store: Store;

  constructor(api: Api, id: string, store: Store = tabStore) {
    this.id = id;
    this.#api = api;
    this.#store = store;
    this.stream = new Stream(api, id);
    this.people = new People(api);
    const path = { guild_id: id };
    this.shard = new Poller((signal) => unwrap(api.GET('/guilds/{guild_id}/shard', { params: { path }, signal })), 30_000);
    this.incidents = this.live(async (signal) => {
      const { incidents } = await unwrap(api.GET('/guilds/{guild_id}/incidents', { params: { path }, signal }));
      return incidents;
    });
    this.approvals = this.live(async (signal) => {
      const { approvals } = await unwrap(api.GET('/guilds/{guild_id}/approvals', { params: { path }, signal }));
      return approvals;
    });
  }

  /** Something that the stream tells of: it is asked for again when it tells, and now and then. */
  live<T>(load: (signal: AbortSignal) => Promise<T>): Poller<T> {
    return new Poller(load, () => (this.stream.state === 'live' ? TOLD_MS : UNTOLD_MS));
  }

  /** Has it followed while somebody looks. Returns how to stop. */
  follow(poller: Poller<unknown>, ...kinds: GuildEventKind[]): () => void {
    const stops = [poller.start(), this.stream.on(kinds, () => void poller.refresh())];
    return () => stops.forEach((stop) => stop());
  }

  start(): () => void {
    void this.load();
    void this.ask();
    const stops = [
      this.stream.start(),
      this.shard.start(),
      this.follow(this.incidents, 'incident'),
      this.follow(this.approvals, 'approval'),
      this.stream.on(['guild', 'settings'], () => void this.load())
    ];
    return () => stops.forEach((stop) => stop());
  }

  /** `undefined` while nobody knows. */
  may(command: string): boolean | undefined {
    return this.#may?.has(command);
  }

  /** The server with its roles. What is a minute old at most is not asked for. */
  async load(anew = false): Promise<void> {
    const kept = this.#kept();
    if (kept && Date.now() - kept.at < USABLE_MS) this.info ??= kept.info;
    if (!anew && kept && Date.now() - kept.at < FRESH_MS) return;
    try {
      const params = { path: { guild_id: this.id } };
      this.info = await unwrap(this.#api.GET('/users/@me/guilds/{guild_id}', { params }));
      this.failure = undefined;
      this.#store.write(this.#key, JSON.stringify({ at: Date.now(), info: this.info }));
    } catch (cause) {
      this.failure = cause instanceof ApiError ? cause : ApiError.ours('error.broken', 0, 'unexpected');
    }
  }

  /** What this person may do here. When nobody answers, each page says so for itself. */
  async ask(): Promise<void> {
    try {
      const call = this.#api.POST('/guilds/{guild_id}/permissions', {
        params: { path: { guild_id: this.id } },
        body: { commands: [...RIGHTS] }
      });
      const { commands } = await unwrap(call);
      this.#may = new Set(Object.entries(commands).filter(([, { allowed }]) => allowed).map(([name]) => name));
    } catch {
      this.#may = undefined;
    }
  }

  get #key() {
    return `server:${this.id}`;
  }

  #kept(): { at: number; info: ServerInfo } | null {
    try {
      return JSON.parse(this.#store.read(this.#key) ?? 'null');
    } catch {
      return null;
    }
  }
}

const [useServer, provideServer] = createContext<Server>();

export { provideServer, useServer };
