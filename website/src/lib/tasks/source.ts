import { unwrap, type Api, type Task, type PartialTask } from '$lib/api/client';

interface Source {
  list(after: string | undefined, limit: number, signal?: AbortSignal): Promise<PartialTask[]>;
  get(job: string, signal?: AbortSignal): Promise<Task>;
  /** Where its file is, for a while; `null`: behind a page that asks who wants it. */
  file(job: string): Promise<string | null>;
  /** The same key again makes no second one. */
  create(kind: string, fields: object, key: string): Promise<string>;
}

/** Jobs of whom a token belongs to. */
export function byToken(api: Api, id: string): Source {
  return {
    list: async (after, limit, signal) =>
      (await unwrap(api.GET('/entities/{id}/tasks', { params: { path: { id }, query: { limit, after } }, signal }))).tasks,
    get: (task, signal) => unwrap(api.GET('/entities/{id}/tasks/{task}', { params: { path: { id, task } }, signal })),
    file: async () => null,
    create: async (task, fields, key) => {
      const params = { path: { id, task }, header: { 'Idempotency-Key': key } };
      // The document calls the fields of a task an object, without saying of what.
      const body = { ServerID: id, ...fields } as unknown as Record<string, never>;
      return (await unwrap(api.POST('/entities/{id}/tasks/{task}', { params, body }))).task_id;
    }
  };
}

/** Jobs of a server, for a person who may look at them there. */
export function byPerson(api: Api, guild_id: string): Source {
  return {
    list: async (after, limit, signal) =>
      (await unwrap(api.GET('/guilds/{guild_id}/jobs', { params: { path: { guild_id }, query: { limit, after } }, signal }))).tasks,
    get: (job, signal) => unwrap(api.GET('/guilds/{guild_id}/jobs/{job}', { params: { path: { guild_id, job } }, signal })),
    file: async (job) => (await unwrap(api.GET('/guilds/{guild_id}/jobs/{job}/output', { params: { path: { guild_id, job } } }))).message,
    create: async (job, fields, key) => {
      const params = { path: { guild_id, job }, header: { 'Idempotency-Key': key } };
      const body = fields as unknown as Record<string, never>;
      return (await unwrap(api.POST('/guilds/{guild_id}/jobs/{job}', { params, body }))).task_id;
    }
  };
}

/** A token goes first where there is one. */
export const jobsOf = (api: Api, holdsToken: boolean, owner: string): Source => (holdsToken ? byToken : byPerson)(api, owner);
