import { createContext } from 'svelte';
import { unwrap, type Api, type Person, type TargetType } from '$lib/api/client';
import { tabStore, type Store } from '$lib/storage';

/** Whose token this tab acts with. */
export interface Credentials {
  kind: TargetType;
  id: string;
  token: string;
}

const KEY = 'wistala';

/** Routes that a token is sent to; no other request carries it. */
const WITH_TOKEN = /^\/entities\//;
/** Routes that a browser's own session is asked for. */
const WITH_SESSION = /^\/(guilds|users\/@me|sessions)(\/|$)/;

/**
 * Who is signed in: in this browser, by a cookie that no script reads, or in this tab by a token, which
 * goes first and outlives neither the tab nor its owner's patience.
 */
export class Session {
  credentials = $state.raw<Credentials | null>(null);
  /** Who signed in with Discord; `null`: nobody, `undefined`: not asked yet. */
  person = $state.raw<Person | null>();
  /** The server no longer knows them. What is on the page stays until somebody signs in again. */
  over = $state(false);

  #store: Store;

  constructor(store: Store = tabStore) {
    this.#store = store;
    this.credentials = read(store.read(KEY));
  }

  signIn(credentials: Credentials): void {
    this.credentials = credentials;
    this.over = false;
    this.#store.write(KEY, JSON.stringify(credentials));
  }

  /** Forgets the token. Returns how to take it back. */
  signOut(): () => void {
    const { credentials } = this;
    this.credentials = null;
    this.over = false;
    this.#store.write(KEY, null);
    return () => {
      if (credentials) this.signIn(credentials);
    };
  }

  /** Asks who is signed in in this browser. */
  async recognise(api: Api): Promise<void> {
    const { user, operator } = await unwrap(api.GET('/session'));
    this.person = user ? { ...user.user, banned: user.state === 'banned', operator } : null;
    this.over = false;
  }

  /** Ends the browser's session, everywhere in it. */
  async leave(api: Api): Promise<void> {
    await unwrap(api.POST('/logout'));
    this.person = null;
    this.over = false;
  }

  /** `send` with the token where it is asked for; a refused token, or session, is over. */
  authorized(send: typeof fetch): typeof fetch {
    return async (input, init) => {
      const request = new Request(input, init);
      const path = new URL(request.url).pathname;
      const credentials = WITH_TOKEN.test(path) ? this.credentials : null;
      const person = WITH_SESSION.test(path) ? this.person : null;
      if (credentials) request.headers.set('Authorization', `${credentials.kind} ${credentials.token}`);
      const response = await send(request);
      const same = credentials ? this.credentials === credentials : person && this.person === person;
      if (response.status === 401 && same) this.over = true;
      return response;
    };
  }
}

/** Where a browser signs in; it comes back to this page. */
export const signInAt = (page: { pathname: string; search: string }): string =>
  `/login?to=${encodeURIComponent(page.pathname + page.search)}`;

function read(text: string | null): Credentials | null {
  try {
    const { kind, id, token } = JSON.parse(text ?? 'null') ?? {};
    const known = kind === 'User' || kind === 'Server';
    return known && typeof id === 'string' && typeof token === 'string' ? { kind, id, token } : null;
  } catch {
    return null;
  }
}

const [useSession, provideSession] = createContext<Session>();

export { provideSession, useSession };
