import { unwrap, type Api } from '$lib/api/client';
import type { components } from '$lib/api/schema';

export type Row = Record<string, unknown>;
type Operation = components['schemas']['Operation'];

export interface Rows {
  rows: Row[];
  count: number | null;
  /** No more can be made. */
  full: boolean;
}

function call(api: Api, guild_id: string, operation: Operation, module: string, setting: string, fields: Row, signal?: AbortSignal) {
  // The document calls the fields an object, without saying of what.
  const body = { operation, module, setting, fields: fields as unknown as Record<string, never> };
  return unwrap(api.POST('/guilds/{guild_id}/settings', { params: { path: { guild_id } }, body, signal }));
}

export async function view(api: Api, guild: string, module: string, setting: string, signal?: AbortSignal, fields: Row = {}): Promise<Rows> {
  const answer = await call(api, guild, 'View', module, setting, fields, signal);
  return { rows: answer.fields as Row[], count: answer.count ?? null, full: answer.maximum ?? false };
}

/** Changes something; the row as it is then, if there is one. */
export async function change(api: Api, guild: string, operation: Exclude<Operation, 'View'>, module: string, setting: string, fields: Row): Promise<Row | null> {
  const answer = await call(api, guild, operation, module, setting, fields);
  return (answer.fields as Row[])[0] ?? null;
}
