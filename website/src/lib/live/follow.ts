import { ApiError } from '$lib/api/client';
import { readEvents, type StreamedEvent } from './sse';

export type StreamState = 'connecting' | 'live' | 'lost' | 'refused';

interface Options {
  /** Opens the stream behind an event that is known. */
  open: (last: string | null, signal: AbortSignal) => Promise<ReadableStream<Uint8Array>>;
  /** `end`: there will be nothing more. */
  hear: (event: StreamedEvent) => 'end' | void;
  state: (state: StreamState) => void;
  signal: AbortSignal;
}

const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 30_000;
/** Trying again changes nothing about these. */
const SETTLED = [400, 401, 403, 404];

/** Follows a stream, and goes on where it broke off, until it is over or given up. */
export async function follow({ open, hear, state, signal }: Options): Promise<void> {
  let last: string | null = null;
  let wait = FIRST_WAIT_MS;
  while (!signal.aborted) {
    let asked = 0;
    try {
      for await (const event of readEvents(await open(last, signal))) {
        if (signal.aborted) return;
        last = event.id ?? last;
        wait = FIRST_WAIT_MS;
        state('live');
        if (hear(event) === 'end') return;
      }
    } catch (cause) {
      if (signal.aborted) return;
      if (cause instanceof ApiError && SETTLED.includes(cause.status)) return state('refused');
      if (cause instanceof ApiError) asked = (cause.retryAfter ?? 0) * 1000;
      state('lost');
    }
    await pause(Math.max(wait, Math.min(asked, LONGEST_WAIT_MS)), signal);
    wait = Math.min(2 * wait, LONGEST_WAIT_MS);
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true });
  });
}
