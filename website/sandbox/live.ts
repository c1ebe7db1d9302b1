import type { Entry } from './types';

/** What a change can make stale. */
export type Part = 'messages' | 'place' | 'members' | 'audit' | 'commands' | 'dms' | 'clock';

const EVERYTHING: Part[] = ['messages', 'place', 'members', 'audit', 'commands', 'dms', 'clock'];
/** Acts that change the world without a REST request. */
const SILENT_ACTS = new Set(['join', 'add_bot']);
const IN_A_CHANNEL = /\/(messages|reactions|pins)(\/|$)|^\/(interactions|webhooks)\//;

/** What an entry of the journal makes stale. */
export function stale(entry: Entry): Part[] {
  if (entry.kind === 'control') {
    if (entry.act === 'clock') return ['clock'];
    return SILENT_ACTS.has(entry.act ?? '') ? ['place', 'members', 'audit', 'commands'] : [];
  }
  const path = entry.path?.replace(/^\/api(\/v\d+)?/, '') ?? '';
  if (entry.kind !== 'request' || entry.method === 'GET' || (entry.status ?? 0) >= 400) return [];
  if (path.endsWith('/typing')) return [];
  if (path === '/users/@me/channels') return ['dms'];
  if (/\/commands(\/|$)/.test(path)) return ['commands', 'audit'];
  if (IN_A_CHANNEL.test(path)) {
    const parts: Part[] = ['messages'];
    // A thread that starts from a message is a new place.
    if (path.endsWith('/threads')) parts.push('place');
    if (!path.startsWith('/interactions')) parts.push('audit');
    // The latest direct messages come first.
    if (path.endsWith('/messages')) parts.push('dms');
    return parts;
  }
  return ['messages', 'place', 'members', 'audit'];
}

interface Source {
  overview: () => Promise<{ journal: number }>;
  journal: (since: number, wait: number, limit: number, signal: AbortSignal) => Promise<Entry[]>;
}

interface Listener {
  onstale: (parts: Set<Part>) => void;
  /** The world was replaced: nothing that is known holds any more. */
  onreplaced: () => void;
  /** `null` when the sandbox answers again. */
  ontrouble: (cause: unknown) => void;
}

const WAIT_MS = 25_000;
/** More news than this at once are not looked at one by one. */
const MOST_ENTRIES = 500;
const RETRY_MS = 1500;

/** Follows the journal from `since` until `signal`. */
export async function follow(
  source: Source,
  since: number,
  listener: Listener,
  signal: AbortSignal
): Promise<void> {
  let troubled = false;
  while (!signal.aborted) {
    try {
      const entries = await source.journal(since, WAIT_MS, MOST_ENTRIES, signal);
      if (troubled) listener.ontrouble(null);
      const last = entries.at(-1);
      if (last && entries.length < MOST_ENTRIES && !troubled) {
        since = last.seq;
        const parts = new Set(entries.flatMap(stale));
        if (parts.size > 0) listener.onstale(parts);
        continue;
      }
      // Nothing, too much, or a pause: see where the journal stands. One that starts again
      // belongs to another world.
      const { journal } = await source.overview();
      if (journal < since) listener.onreplaced();
      else if (journal > since || troubled) listener.onstale(new Set(EVERYTHING));
      since = journal;
      troubled = false;
    } catch (cause) {
      if (signal.aborted) return;
      troubled = true;
      listener.ontrouble(cause);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}
