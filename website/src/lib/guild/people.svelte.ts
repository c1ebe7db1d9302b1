import { SvelteMap } from 'svelte/reactivity';
import { unwrap, type Api, type PlatformUser } from '$lib/api/client';

/** As many are looked up at a time. */
const AT_ONCE = 2;
/** Of one page; others keep their number. */
const MOST = 200;

/** Who is behind an id, as Discord shows them to everyone. */
export class People {
  #api: Api;
  #known = new SvelteMap<string, PlatformUser | null>();
  #asked = new Set<string>();
  #queue: string[] = [];
  #running = 0;

  constructor(api: Api) {
    this.#api = api;
  }

  /** `undefined` while it is being looked up, `null` when nobody could be found. */
  of(id: string): PlatformUser | null | undefined {
    return this.#known.get(id);
  }

  /** Has somebody looked up, once. */
  want(id: string): void {
    if (this.#asked.has(id) || this.#asked.size >= MOST || !/^\d{17,20}$/.test(id)) return;
    this.#asked.add(id);
    this.#queue.push(id);
    this.#next();
  }

  /** Somebody about whom another answer told. */
  learn(user: PlatformUser): void {
    this.#asked.add(user.id);
    this.#known.set(user.id, user);
  }

  #next(): void {
    while (this.#running < AT_ONCE) {
      const id = this.#queue.shift();
      if (!id) return;
      this.#running += 1;
      unwrap(this.#api.GET('/platform/user/{id}', { params: { path: { id } } }))
        .catch(() => null)
        .then((user) => {
          this.#known.set(id, user);
          this.#running -= 1;
          this.#next();
        });
    }
  }
}
