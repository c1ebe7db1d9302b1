import { ApiError } from '$lib/api/client';

/** Above this a person decides when to try again. */
const LONGEST_WAIT_MS = 60_000;

/** Asking again by itself changes nothing about these: a right is missing, or the thing. */
const SETTLED = [403, 404];

/** For what is asked for once, and again only when somebody says so: as long as a timer can wait. */
export const ONCE_MS = 2 ** 31 - 1;

/** What a {@link Poller} knows. A failed attempt keeps the last value and says why it is old. */
export class Poller<T> {
  value = $state.raw<T>();
  error = $state.raw<ApiError>();
  /** When `value` was received; milliseconds since 1970. */
  receivedAt = $state<number>();
  loading = $state(false);

  #load: (signal: AbortSignal) => Promise<T>;
  #periodMs: () => number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #attempt: AbortController | undefined;
  #running = false;

  constructor(load: (signal: AbortSignal) => Promise<T>, periodMs: number | (() => number)) {
    this.#load = load;
    this.#periodMs = typeof periodMs === 'number' ? () => periodMs : periodMs;
  }

  /** Polls while the page is visible. Returns how to stop. */
  start(): () => void {
    const onVisibility = () => (document.hidden ? this.#pause() : void this.refresh());
    this.#running = true;
    document.addEventListener('visibilitychange', onVisibility);
    if (!document.hidden) void this.refresh();
    return () => {
      this.#running = false;
      document.removeEventListener('visibilitychange', onVisibility);
      this.#pause();
    };
  }

  /** Asks now; an attempt that is under way is given up. */
  async refresh(): Promise<void> {
    this.#pause();
    const attempt = new AbortController();
    this.#attempt = attempt;
    this.loading = true;
    let wait = this.#periodMs();
    try {
      const value = await this.#load(attempt.signal);
      if (attempt.signal.aborted) return;
      this.value = value;
      this.error = undefined;
      this.receivedAt = Date.now();
    } catch (cause) {
      if (attempt.signal.aborted) return;
      this.error =
        cause instanceof ApiError ? cause : ApiError.ours('error.broken', 0, 'unexpected');
      const asked = (this.error.retryAfter ?? 0) * 1000;
      wait = Math.max(wait, Math.min(asked, LONGEST_WAIT_MS));
    }
    this.loading = false;
    if (this.#running && !document.hidden && !SETTLED.includes(this.error?.status ?? 0)) {
      this.#timer = setTimeout(() => void this.refresh(), wait);
    }
  }

  #pause(): void {
    clearTimeout(this.#timer);
    this.#attempt?.abort();
    this.loading = false;
  }
}
