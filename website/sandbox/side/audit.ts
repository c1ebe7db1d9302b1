import type { SandboxLocale } from '../i18n/locale';
import type { AuditEntry } from '../types';

type T = SandboxLocale['t'];

/** Discord's numbers for what the audit log records, as far as there is a sentence for them. */
const ACTIONS = [
  1, 10, 11, 12, 13, 14, 15, 20, 21, 22, 23, 24, 25, 26, 27, 28, 30, 31, 32, 40, 41, 42, 50, 51, 52, 60, 61, 62, 72, 73, 74,
  75, 80, 81, 82, 90, 91, 92, 110, 111, 112, 121, 140, 141, 142, 143, 144, 145
] as const;

export interface Line {
  /** With places for `{who}` and `{target}`. */
  text: string;
  who: string;
  target: string;
  /** Changed properties, at most a few. */
  changes: string[];
}

const MOST_CHANGES = 4;

function shown(value: unknown, t: T): string {
  if (value === undefined || value === null) return t('audit.nothing');
  if (Array.isArray(value)) {
    return value.map((item) => shown((item as { name?: unknown } | null)?.name ?? item, t)).join(', ');
  }
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}

/** What an entry says. Names that are gone come from the entry itself. */
export function line(entry: AuditEntry, names: Record<string, string>, t: T): Line {
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
    if (key === '$add') return t('audit.gave', { what: shown(new_value, t) });
    if (key === '$remove') return t('audit.took', { what: shown(new_value, t) });
    const property = key.replaceAll('_', ' ');
    if (old_value === undefined) return `${property}: ${shown(new_value, t)}`;
    return `${property}: ${shown(old_value, t)} → ${shown(new_value, t)}`;
  });
  const more = lines.length - MOST_CHANGES;
  const action = ACTIONS.find((known) => known === entry.action_type);
  return {
    text: action ? t(`audit.${action}`) : t('audit.other', { type: entry.action_type }),
    who: name(entry.user_id) ?? entry.user_id ?? 'Discord',
    target,
    changes: more > 0 ? [...lines.slice(0, MOST_CHANGES), t('audit.more', { count: more })] : lines
  };
}
