import type { StatusEntry, Task, TaskState } from '$lib/api/client';
import type { DashboardKey } from '$lib/i18n/dashboard/locale';

const KINDS = ['guild_create_backup', 'guild_restore_backup', 'guild_revert_incident', 'guild_upload_backup', 'message_prune', 'mass_ban', 'guild_rejoin_members'] as const;

/** What a kind of job is called; `null` for one that this page does not know. */
export function kindText(name: string): DashboardKey | null {
  const known = KINDS.find((kind) => kind === name);
  return known ? `kind.${known}` : null;
}

export const isOpen = (state: TaskState) => state === 'pending' || state === 'running';

/** When a job disappears; `null` when never. Its `expiry` counts nanoseconds from its creation. */
export function keptUntil({ created_at, expiry }: Pick<Task, 'created_at' | 'expiry'>): Date | null {
  return expiry ? new Date(Date.parse(created_at) + expiry / 1e6) : null;
}

export interface LogLine {
  key: string;
  at: Date;
  level: StatusEntry['level'];
  text: string;
  /** `k=v`, without what the entry wants hidden. */
  extra: string;
}

const NAMED = new Set(['ts', 'level', 'msg', 'botDisplayIgnore']);
/** Lines that are shown; the newest matter. */
export const MOST_LINES = 500;

/** The end of a log, and how many older lines it had. */
export function logLines(statuses: StatusEntry[]): { lines: LogLine[]; older: number } {
  const older = Math.max(0, statuses.length - MOST_LINES);
  const lines = statuses.slice(older).map((entry, index) => {
    const hidden = new Set(entry.botDisplayIgnore ?? []);
    const extra = Object.entries(entry)
      .filter(([name]) => !NAMED.has(name) && !hidden.has(name))
      .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
    return { key: String(older + index), at: new Date(entry.ts * 1000), level: entry.level, text: entry.msg, extra: extra.join(' ') };
  });
  return { lines, older };
}

/** The end of an id, where the whole of it would say no more. */
export const tail = (id: string) => id.slice(-4);
