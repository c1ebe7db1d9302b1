import createClient, { type Client } from 'openapi-fetch';
import type { components, paths } from './schema';

export type InstanceList = components['schemas']['InstanceList'];
export type Instance = components['schemas']['Instance'];
export type InstanceState = components['schemas']['InstanceState'];
export type ShardHealth = components['schemas']['ShardHealth'];
export type JobsSummary = components['schemas']['JobsSummary'];
export type ErrorBody = components['schemas']['ErrorBody'];

export type Api = Client<paths>;

/** Client of the API that serves this site, so one build fits every installation. */
export function apiClient(fetch: typeof globalThis.fetch, origin = ''): Api {
  return createClient<paths>({ baseUrl: origin, fetch });
}

/** An answer that is not a success, or none at all. */
export class ApiError extends Error {
  override name = 'ApiError';

  constructor(
    message: string,
    /** HTTP status; 0 when nothing answered. */
    readonly status: number,
    readonly code: string,
    /** Seconds the server asked to wait. */
    readonly retryAfter: number | null = null
  ) {
    super(message);
  }
}

interface Outcome<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The body of a success; everything else is thrown as an {@link ApiError}. */
export async function unwrap<T>(call: Promise<Outcome<T>>): Promise<T> {
  let outcome: Outcome<T>;
  try {
    outcome = await call;
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'AbortError') throw cause;
    throw new ApiError('The server cannot be reached.', 0, 'unreachable');
  }
  if (outcome.data !== undefined) return outcome.data;
  const { response } = outcome;
  const body = isErrorBody(outcome.error) ? outcome.error : null;
  throw new ApiError(
    body?.message ?? explain(response.status),
    response.status,
    body?.code ?? 'unexpected',
    retryAfter(response)
  );
}

function retryAfter(response: Response): number | null {
  const seconds = Number(response.headers.get('Retry-After') ?? NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds : null;
}

function explain(status: number): string {
  if ([408, 502, 503, 504].includes(status)) return 'The server is under maintenance. Try again soon.';
  return `The server answered with status ${status}.`;
}

function isErrorBody(body: unknown): body is ErrorBody {
  return (
    typeof body === 'object' &&
    body !== null &&
    'message' in body &&
    typeof body.message === 'string' &&
    'code' in body &&
    typeof body.code === 'string'
  );
}
