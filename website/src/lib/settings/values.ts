import type { ApiError } from '$lib/api/client';
import type { ServerKey } from '$lib/i18n/server/locale';
import type { Values } from '$lib/i18n/message';
import type { Row } from './calls';
import { innerOf, isList, type Column, type Operation, type Setting } from './declaration';

/** What stands in the controls of a form: text, or a list of texts. */
export type Draft = string | string[];
export type Drafts = Record<string, Draft>;

export interface Wrong {
  text: ServerKey;
  values?: Values;
}

/** A moment as `datetime-local` has it, in the viewer's time. */
function local(text: string): string {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return '';
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

function draft(column: Column, value: unknown): string {
  const inner = innerOf(column);
  if (value === null || value === undefined) return '';
  if ('Timestamp' in inner) return local(String(value));
  if ('Json' in inner) return JSON.stringify(value, null, 2);
  return String(value);
}

export function draftOf(column: Column, value: unknown): Draft {
  if (!isList(column)) return draft(column, value);
  return Array.isArray(value) ? value.map((item) => draft(column, item)) : [];
}

export const draftsOf = (columns: Column[], row: Row): Drafts => Object.fromEntries(columns.map((column) => [column.id, draftOf(column, row[column.id])]));

type Read = { value: unknown } | { wrong: Wrong };

function read(column: Column, text: string): Read {
  const inner = innerOf(column);
  const wrong = (key: ServerKey, values?: Values): Read => ({ wrong: { text: key, values } });
  if ('Boolean' in inner) return { value: text === 'true' };
  if ('Integer' in inner || 'Interval' in inner || 'Float' in inner) {
    const [min, max] = 'Interval' in inner ? [inner.Interval.min_s, inner.Interval.max_s] : 'Integer' in inner ? [inner.Integer.min, inner.Integer.max] : [inner.Float.min, inner.Float.max];
    const whole = !('Float' in inner);
    const fits = whole ? /^-?\d{1,15}$/.test(text.trim()) : text.trim() !== '' && Number.isFinite(Number(text));
    if (!fits) return wrong(whole ? 'wrong.whole' : 'wrong.number');
    const number = Number(text);
    return number < min || number > max ? wrong('wrong.range', { min, max }) : { value: number };
  }
  if ('Timestamp' in inner) {
    const at = new Date(text);
    return Number.isNaN(at.getTime()) ? wrong('wrong.time') : { value: at.toISOString().replace(/\.\d+Z$/, 'Z') };
  }
  if ('Json' in inner) {
    try {
      return { value: JSON.parse(text) };
    } catch {
      return wrong('wrong.json');
    }
  }
  if ('BitFlag' in inner) return { value: text };
  const { min_length, max_length } = inner.String;
  const length = [...text].length;
  if (min_length !== null && length < min_length) return wrong('wrong.short', { count: min_length });
  if (max_length !== null && length > max_length) return wrong('wrong.long', { count: max_length });
  return { value: text };
}

/** The value of a control; `undefined` leaves it to the bot. */
export function valueOf(column: Column, draft: Draft, operation: Operation): Read {
  if (Array.isArray(draft)) {
    const items = draft.filter((item) => item.trim() !== '').map((item) => read(column, item));
    const bad = items.find((item) => 'wrong' in item);
    return bad ?? { value: items.map((item) => ('value' in item ? item.value : null)) };
  }
  if (draft === '') {
    if (operation === 'Create') return { value: undefined };
    if (column.secret) return { value: undefined };
    return column.nullable ? { value: null } : { wrong: { text: 'wrong.empty' } };
  }
  return read(column, draft);
}

/** Columns that a form shows. */
export const columnsFor = (setting: Setting, operation: Operation): Column[] => setting.columns.filter((column) => !column.ignored_for.includes(operation));

export const same = (a: Draft | undefined, b: Draft | undefined): boolean => JSON.stringify(a) === JSON.stringify(b);

/** The fields of an order, or what is wrong, by column. An update names only what is other. */
export function fieldsOf(setting: Setting, operation: Operation, before: Drafts, drafts: Drafts): { fields: Row } | { wrong: Record<string, Wrong> } {
  const fields: Row = {};
  const wrong: Record<string, Wrong> = {};
  for (const column of columnsFor(setting, operation)) {
    const draft = drafts[column.id] ?? '';
    const isKey = column.id === setting.primary_key;
    if (operation === 'Update' && !isKey && same(draft, before[column.id])) continue;
    const read = valueOf(column, draft, operation);
    if ('wrong' in read) wrong[column.id] = read.wrong;
    else if (read.value !== undefined) fields[column.id] = read.value;
  }
  return Object.keys(wrong).length > 0 ? { wrong } : { fields };
}

/** The column that an answer complains about. */
export function columnOf({ said }: ApiError): string | null {
  for (const value of Object.values(said)) {
    if (typeof value !== 'object' || value === null) continue;
    const { column, field, column_id } = value as Record<string, unknown>;
    const found = column ?? field ?? column_id;
    if (typeof found === 'string') return found;
  }
  return null;
}

/** A row's title; `shown` names what stands for something of the server. */
export function titleOf(setting: Setting, row: Row, shown: (column: Column, value: unknown) => string): string {
  const columns = new Map(setting.columns.map((column) => [column.id, column]));
  return setting.title_template.replace(/\{(\w+)\}/g, (_, id: string) => {
    const column = columns.get(id);
    return column ? shown(column, row[id]) : '';
  });
}
