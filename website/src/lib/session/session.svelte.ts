import { createContext } from 'svelte';
import type { TargetType } from '$lib/api/client';
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

/** Who is signed in, in this tab: a token outlives neither the tab nor its owner's patience. */
export class Session {
  credentials = $state.raw<Credentials | null>(null);
  /** The server no longer knows the token. What is on the page stays until somebody signs in again. */
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

  /** Returns how to take it back. */
  signOut(): () => void {
    const { credentials } = this;
    this.credentials = null;
    this.over = false;
    this.#store.write(KEY, null);
    return () => {
      if (credentials) this.signIn(credentials);
    };
  }

  /** `send` with the token where it is asked for; a refused token ends the session. */
  authorized(send: typeof fetch): typeof fetch {
    return async (input, init) => {
      const request = new Request(input, init);
      const credentials = WITH_TOKEN.test(new URL(request.url).pathname) ? this.credentials : null;
      if (!credentials) return send(request);
      request.headers.set('Authorization', `${credentials.kind} ${credentials.token}`);
      const response = await send(request);
      if (response.status === 401 && this.credentials === credentials) this.over = true;
      return response;
    };
  }
}

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
