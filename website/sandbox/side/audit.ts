import type { AuditEntry } from '../types';

// Discord's numbers for what the audit log records, as sentences about a target.
const ACTIONS: Record<number, string> = {
  1: 'changed the server',
  10: 'created channel',
  11: 'changed channel',
  12: 'deleted channel',
  13: 'added permissions in',
  14: 'changed permissions in',
  15: 'removed permissions in',
  20: 'kicked',
  21: 'pruned members',
  22: 'banned',
  23: 'unbanned',
  24: 'changed member',
  25: 'changed the roles of',
  26: 'moved members in voice',
  27: 'disconnected members',
  28: 'added app',
  30: 'created role',
  31: 'changed role',
  32: 'deleted role',
  40: 'created an invite',
  41: 'changed an invite',
  42: 'deleted an invite',
  50: 'created webhook',
  51: 'changed webhook',
  52: 'deleted webhook',
  60: 'created emoji',
  61: 'changed emoji',
  62: 'deleted emoji',
  72: 'deleted messages of',
  73: 'deleted many messages in',
  74: 'pinned a message of',
  75: 'unpinned a message of',
  80: 'added integration',
  81: 'changed integration',
  82: 'removed integration',
  90: 'created sticker',
  91: 'changed sticker',
  92: 'deleted sticker',
  110: 'created thread',
  111: 'changed thread',
  112: 'deleted thread',
  121: 'changed permissions of commands',
  140: 'created AutoMod rule',
  141: 'changed AutoMod rule',
  142: 'deleted AutoMod rule',
  143: 'blocked a message of',
  144: 'flagged a message of',
  145: 'timed out by AutoMod:'
};

/** These say all there is; their target is the guild or nothing. */
const WHOLE = new Set([1, 21, 26, 27, 40, 41, 42, 121]);

export interface Line {
  who: string;
  did: string;
  target: string;
  /** Changed properties, at most a few. */
  changes: string[];
}

const MOST_CHANGES = 4;

function shown(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (Array.isArray(value)) {
    return value.map((item) => shown((item as { name?: unknown } | null)?.name ?? item)).join(', ');
  }
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}

/** What an entry says. Names that are gone come from the entry itself. */
export function line(entry: AuditEntry, names: Record<string, string>): Line {
  const name = (id: string | null) => (id === null ? undefined : names[id]);
  const changes = entry.changes ?? [];
  const kept = changes.find((change) => change.key === 'name');
  const former = kept?.old_value ?? kept?.new_value;
  const target =
    name(entry.target_id) ??
    (typeof former === 'string' ? former : undefined) ??
    entry.target_id ??
    '';
  const lines = changes.map(({ key, old_value, new_value }) => {
    if (key === '$add') return `gave ${shown(new_value)}`;
    if (key === '$remove') return `took ${shown(new_value)}`;
    const property = key.replaceAll('_', ' ');
    if (old_value === undefined) return `${property}: ${shown(new_value)}`;
    return `${property}: ${shown(old_value)} → ${shown(new_value)}`;
  });
  const more = lines.length - MOST_CHANGES;
  return {
    who: name(entry.user_id) ?? entry.user_id ?? 'Discord',
    did: ACTIONS[entry.action_type] ?? `did something of type ${entry.action_type} to`,
    target: WHOLE.has(entry.action_type) ? '' : target,
    changes: more > 0 ? [...lines.slice(0, MOST_CHANGES), `and ${more} more`] : lines
  };
}
