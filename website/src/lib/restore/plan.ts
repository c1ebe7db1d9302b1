import { ApiError, unwrap, type Api } from '$lib/api/client';
import { visibleName } from '$lib/guild/names';

type Subject = { live: string } | { wanted: string };
type Body = Record<string, unknown>;

type Operation =
  | { create: { kind: string; subject: Subject; body: Body } }
  | { edit: { kind: string; subject: Subject; body: Body } }
  | { delete: { kind: string; subject: Subject } }
  | { put_overwrite: { channel: Subject; overwrite: Body } }
  | { delete_overwrite: { channel: Subject; whom: string } }
  | { reorder: { kind: string; positions: unknown[] } };

export interface NotRestored {
  kind: string;
  id?: string;
  name?: string;
  fields?: string[];
  why: string;
}

/** What a restore or a put-back would do, as the job that only looked left it. */
export interface Plan {
  kind: 'restore_plan' | 'revert_plan';
  plan_hash: string;
  summary: string;
  counts: Record<string, Record<string, number>>;
  at_least_seconds?: number | null;
  /** Why it cannot be done at all. */
  refusals?: string[];
  asks?: string[];
  not_restored: NotRestored[];
  effects: { step: string; operation: Operation }[];
  parts?: string[];
}

export type Change = 'create' | 'edit' | 'delete' | 'overwrite' | 'sort';

export interface Step {
  change: Change;
  kind: string;
  id: string | null;
  name: string | null;
  fields: string[];
}

const idOf = (subject: Subject): string => ('live' in subject ? subject.live : subject.wanted);

function stepOf(operation: Operation): Step {
  const of = (change: Change, kind: string, subject: Subject, body: Body = {}): Step => ({
    change,
    kind,
    id: idOf(subject),
    name: visibleName(typeof body.name === 'string' ? body.name : null),
    fields: change === 'edit' ? Object.keys(body) : []
  });
  if ('create' in operation) return of('create', operation.create.kind, operation.create.subject, operation.create.body);
  if ('edit' in operation) return of('edit', operation.edit.kind, operation.edit.subject, operation.edit.body);
  if ('delete' in operation) return of('delete', operation.delete.kind, operation.delete.subject);
  if ('put_overwrite' in operation) return of('overwrite', 'channel', operation.put_overwrite.channel);
  if ('delete_overwrite' in operation) return of('overwrite', 'channel', operation.delete_overwrite.channel);
  return { change: 'sort', kind: operation.reorder.kind, id: null, name: null, fields: [] };
}

/** Deletions first: they lose something. */
const ORDER: Change[] = ['delete', 'create', 'edit', 'overwrite', 'sort'];

export function stepsOf(plan: Plan): Step[] {
  const steps = plan.effects.map(({ operation }) => stepOf(operation));
  return steps.sort((a, b) => ORDER.indexOf(a.change) - ORDER.indexOf(b.change) || a.kind.localeCompare(b.kind));
}

/** How much is made, changed, deleted and put in order. */
export function totalsOf(plan: Plan): Record<'create' | 'edit' | 'delete' | 'other', number> {
  const totals = { create: 0, edit: 0, delete: 0, other: 0 };
  for (const counts of Object.values(plan.counts)) {
    for (const [verb, count] of Object.entries(counts)) {
      if (verb === 'create' || verb === 'edit' || verb === 'delete') totals[verb] += count;
      else totals.other += count;
    }
  }
  return totals;
}

/** The plan that a job left as its output. */
export async function readPlan(api: Api, guild_id: string, job: string, signal?: AbortSignal): Promise<Plan> {
  const { message } = await unwrap(api.GET('/guilds/{guild_id}/jobs/{job}/output', { params: { path: { guild_id, job } }, signal }));
  let answer: Response;
  try {
    answer = await fetch(message, { signal });
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'AbortError') throw cause;
    throw ApiError.ours('error.unreachable', 0, 'unreachable');
  }
  if (!answer.ok) throw ApiError.ours('error.status', answer.status, 'unexpected');
  return (await answer.json()) as Plan;
}
