import { unwrap, type Api, type GuildEvent, type GuildEventKind } from '$lib/api/client';
import { follow, type StreamState } from '$lib/live/follow';

/** What the tabs of one browser tell each other. */
type Told = { event: GuildEvent } | { state: StreamState } | { everything: true } | { ask: true };

type Hear = (event: GuildEvent | null) => void;

/**
 * What happens in a server, as it happens. All tabs of a browser share one stream: whichever holds the
 * lock follows it and tells the others.
 */
export class Stream {
  state = $state<StreamState>('connecting');

  #api: Api;
  #guild: string;
  #listeners = new Set<{ kinds: readonly GuildEventKind[]; hear: Hear }>();

  constructor(api: Api, guild: string) {
    this.#api = api;
    this.#guild = guild;
  }

  /** `hear` gets `null` when it is not known what happened meanwhile. Returns how to stop. */
  on(kinds: readonly GuildEventKind[], hear: Hear): () => void {
    const listener = { kinds, hear };
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  start(): () => void {
    const given = new AbortController();
    const name = `events:${this.#guild}`;
    const channel = typeof BroadcastChannel === 'undefined' ? null : new BroadcastChannel(name);
    let leads = false;
    const told = (message: Told) => {
      if ('event' in message) this.#tell(message.event);
      else if ('state' in message) this.state = message.state;
      else if ('everything' in message) this.#tell(null);
      else if (leads) channel?.postMessage({ state: this.state } satisfies Told);
    };
    if (channel) {
      channel.onmessage = ({ data }) => told(data as Told);
      channel.postMessage({ ask: true } satisfies Told);
    }
    const say = (message: Told) => {
      told(message);
      channel?.postMessage(message);
    };
    const lead = () => {
      leads = true;
      // Another tab may have missed something between its leader's end and this beginning.
      if (this.state !== 'connecting') say({ everything: true });
      return this.#follow(say, given.signal);
    };
    const { locks } = navigator;
    const led = locks ? locks.request(name, { signal: given.signal }, lead) : lead();
    led.catch(() => {});
    return () => {
      given.abort();
      channel?.close();
    };
  }

  #follow(say: (message: Told) => void, signal: AbortSignal): Promise<void> {
    const path = { guild_id: this.#guild };
    let known: StreamState | undefined;
    return follow({
      open: async (last, signal) => {
        const header = last === null ? {} : { 'Last-Event-ID': last };
        const body = await unwrap(
          this.#api.GET('/guilds/{guild_id}/events', { params: { path, header }, parseAs: 'stream', signal })
        );
        return body as unknown as ReadableStream<Uint8Array>;
      },
      hear: ({ event, data }) => {
        if (event === 'end') return;
        const content = JSON.parse(data) as GuildEvent & { reset?: boolean };
        if (event !== 'ready') say({ event: content });
        else if (content.reset) say({ everything: true });
      },
      state: (state) => {
        if (state !== known) say({ state });
        known = state;
      },
      signal
    });
  }

  #tell(event: GuildEvent | null): void {
    for (const { kinds, hear } of [...this.#listeners]) {
      if (!event || kinds.includes(event.kind)) hear(event);
    }
  }
}
