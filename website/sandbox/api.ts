import type {
  ActResult,
  Audit,
  Bans,
  Channel,
  Command,
  Drill,
  Entry,
  Guilds,
  Interact,
  Interacted,
  Members,
  Message,
  NewDrill,
  Overview,
  Place,
  Refusal,
  Users
} from './types';
import { refused } from './refusal';

/** A call that the sandbox refused, or that did not reach it (`status` 0). */
export class ControlError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly code: string
  ) {
    super(message);
  }
}

/** The control API, spoken as this page needs it. */
export class Control {
  #fetch: typeof fetch;

  constructor(send: typeof fetch = (...request) => fetch(...request)) {
    this.#fetch = send;
  }

  async call<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
    let response: Response;
    try {
      response = await this.#fetch(path, {
        method,
        signal,
        headers: body === undefined ? undefined : { 'content-type': 'application/json' },
        body: body === undefined ? undefined : JSON.stringify(body)
      });
    } catch (cause) {
      if (signal?.aborted) throw cause;
      throw new ControlError('The sandbox cannot be reached.', 0, 'unreachable');
    }
    const answer: unknown = await response.json().catch(() => null);
    if (response.ok) return answer as T;
    const refusal = answer as Partial<Refusal> | null;
    const message = refusal?.message ?? `The sandbox answered ${response.status}.`;
    throw new ControlError(message, response.status, refusal?.code ?? 'unknown');
  }

  #get<T>(path: string, query: Record<string, string | number | undefined> = {}): Promise<T> {
    const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== '');
    const search = new URLSearchParams(given.map(([key, value]) => [key, String(value)]));
    return this.call('GET', given.length ? `${path}?${search}` : path);
  }

  overview = () => this.#get<Overview>('/ctl/overview');

  guilds = (query: string, limit = 50) => this.#get<Guilds>('/ctl/guilds', { query, limit });

  members = (guild: string, query: string, limit = 100) =>
    this.#get<Members>(`/ctl/guilds/${guild}/members`, { query, limit });

  people = (guild: string, query: string, limit = 50) =>
    this.#get<Members>(`/ctl/guilds/${guild}/members`, { query, limit, people: 'true' });

  place = (user: string, guild: string) =>
    this.#get<Place>(`/ctl/as/${user}/guild`, { guild_id: guild });

  messages = (user: string, channel: string, limit: number, before?: string) =>
    this.#get<Message[]>(`/ctl/as/${user}/messages`, { channel_id: channel, limit, before });

  threads = (user: string, channel: string, before?: string) =>
    this.#get<Channel[]>(`/ctl/as/${user}/threads`, { channel_id: channel, before });

  /** Without a guild those of direct messages. */
  commands = (user: string, guild?: string, channel?: string) =>
    this.#get<Command[]>(`/ctl/as/${user}/commands`, { guild_id: guild, channel_id: channel });

  audit = (user: string, guild: string, before?: string) =>
    this.#get<Audit>(`/ctl/as/${user}/audit`, { guild_id: guild, before });

  bans = (user: string, guild: string) =>
    this.#get<Bans>(`/ctl/as/${user}/bans`, { guild_id: guild });

  dms = (user: string) => this.#get<Channel[]>(`/ctl/as/${user}/dms`);

  /** People who are not in a guild. */
  outsiders = (guild: string, query: string, limit = 50) =>
    this.#get<Users>('/ctl/users', { query, limit, people: 'true', outside: guild });

  journal = (since: number, wait_ms: number, limit: number, signal: AbortSignal) =>
    this.call<Entry[]>(
      'GET',
      `/ctl/journal?since=${since}&wait_ms=${wait_ms}&limit=${limit}`,
      undefined,
      signal
    );

  drills = () => this.#get<Drill[]>('/ctl/drills');

  drill = (id: number) => this.#get<Drill>(`/ctl/drills/${id}`);

  startDrill = (drill: NewDrill) => this.call<{ id: number }>('POST', '/ctl/drills', drill);

  stopDrill = (id: number) => this.call<Drill>('DELETE', `/ctl/drills/${id}`);

  /** Replaces everything by a world from its beginning. */
  load = (world: string, seed: number) =>
    this.call<{ world: string }>('POST', '/ctl/world', { world, seed });

  interact = (user: string, body: Interact) =>
    this.call<Interacted>('POST', `/ctl/as/${user}/interact`, body);

  /** One act; throws what REST refused, as the message a client would show. */
  async act(user: string, act: string, body: Record<string, unknown>): Promise<unknown> {
    const { results } = await this.call<{ results: ActResult[] }>(
      'POST',
      `/ctl/as/${user}/${act}`,
      body
    );
    const result = results[0];
    if (result && result.status >= 400) {
      throw new ControlError(refused(result), result.status, act);
    }
    return result?.body;
  }
}
