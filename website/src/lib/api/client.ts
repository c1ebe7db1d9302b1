import createClient, { type Client } from 'openapi-fetch';
import { createContext } from 'svelte';
import { en } from '$lib/i18n/site/en';
import type { SiteKey, SiteLocale } from '$lib/i18n/site/locale';
import type { components, paths } from './schema';

export type InstanceList = components['schemas']['InstanceList'];
export type Instance = components['schemas']['Instance'];
export type InstanceState = components['schemas']['InstanceState'];
export type ShardHealth = components['schemas']['ShardHealth'];
export type ProxyStatus = components['schemas']['ProxyStatus'];
export type ProxyReport = components['schemas']['ProxyReport'];
export type ProxyShard = components['schemas']['ProxyShard'];
export type TargetType = components['schemas']['TargetType'];
export type Task = components['schemas']['Task'];
export type PartialTask = components['schemas']['PartialTask'];
export type StatusEntry = components['schemas']['StatusEntry'];
export type TaskState = components['schemas']['TaskState'];
export type CanonicalModule = components['schemas']['CanonicalModule'];
export type JobsSummary = components['schemas']['JobsSummary'];
export type UserGuild = components['schemas']['UserGuild'];
export type UserGuilds = components['schemas']['UserGuilds'];
/** Who signed in with Discord. */
export type Person = components['schemas']['UserProfile'] & { banned: boolean; operator: boolean };
export type ErrorBody = components['schemas']['ErrorBody'];
export type ServerInfo = components['schemas']['BaseGuildUserInfo'];
export type GuildRole = components['schemas']['GuildRole'];
export type GuildShard = components['schemas']['GuildShard'];
export type GuildEvent = components['schemas']['GuildEvent'];
export type GuildEventKind = components['schemas']['GuildEventKind'];
export type GuildMember = components['schemas']['GuildMember'];
export type IncidentSummary = components['schemas']['IncidentSummary'];
export type IncidentDetail = components['schemas']['IncidentDetail'];
export type IncidentAct = components['schemas']['IncidentAct'];
export type Approval = components['schemas']['Approval'];
export type PlatformUser = components['schemas']['PlatformUser'];
export type SettingsChange = components['schemas']['SettingsChange'];
export type SettingsEdit = components['schemas']['SettingsEdit'];
export type TaskProgress = components['schemas']['TaskProgress'];
/** A session of a person, or a token that they made. */
export type OwnSession = components['schemas']['Session'];
export type ServerConsent = components['schemas']['ServerConsent'];
export type GivenConsent = components['schemas']['GivenConsent'];
export type Webhook = components['schemas']['Webhook'];
export type WebhookType = components['schemas']['WebhookType'];
export type WebhookDelivery = components['schemas']['WebhookDelivery'];

export type Api = Client<paths>;

/** Client of the API that serves this site, so one build fits every installation. */
export function apiClient(fetch: typeof globalThis.fetch, origin = ''): Api {
  return createClient<paths>({ baseUrl: origin, fetch });
}

const [useApi, provideApi] = createContext<Api>();

export { provideApi, useApi };

/** An answer that is not a success, or none at all. */
export class ApiError extends Error {
  override name = 'ApiError';

  constructor(
    message: string,
    /** HTTP status; 0 when nothing answered. */
    readonly status: number,
    readonly code: string,
    /** Seconds the server asked to wait. */
    readonly retryAfter: number | null = null,
    /** The text of ours behind `message`, if it is not the server's. */
    readonly text: SiteKey | null = null,
    /** Number under which the server logged the request. */
    readonly request: string | null = null,
    /** What else it says beside code and message, such as the right that is missing. */
    readonly said: Record<string, unknown> = {}
  ) {
    super(message);
  }

  /** Without an answer, or with one that is not the API's. */
  static ours(
    text: SiteKey,
    status: number,
    code: string,
    retryAfter: number | null = null,
    request: string | null = null
  ): ApiError {
    const message = String(en[text]).replace('{status}', String(status));
    return new ApiError(message, status, code, retryAfter, text, request);
  }

  /** What to show; the server's own words are in English. */
  words({ t }: SiteLocale): string {
    return this.text ? t(this.text, { status: this.status }) : this.message;
  }
}

/** The words for whatever was caught. */
export function wordsFor(cause: unknown, locale: SiteLocale): string {
  return cause instanceof ApiError ? cause.words(locale) : locale.t('error.broken');
}

interface Outcome<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/**
 * The body of a success, `undefined` when there is none (204); everything else is thrown as an
 * {@link ApiError}.
 */
export async function unwrap<T>(call: Promise<Outcome<T>>): Promise<T> {
  let outcome: Outcome<T>;
  try {
    outcome = await call;
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'AbortError') throw cause;
    throw ApiError.ours('error.unreachable', 0, 'unreachable');
  }
  const { data, error, response } = outcome;
  // A success without a body has no data, and is one all the same.
  if (response.ok && error === undefined) return data as T;
  const wait = retryAfter(response);
  const request = response.headers.get('X-Request-Id');
  if (isErrorBody(error)) throw new ApiError(error.message, response.status, error.code, wait, null, request, { ...error });
  const text = MAINTENANCE.includes(response.status) ? 'error.maintenance' : 'error.status';
  throw ApiError.ours(text, response.status, 'unexpected', wait, request);
}

function retryAfter(response: Response): number | null {
  const seconds = Number(response.headers.get('Retry-After') ?? NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds : null;
}

/** What a proxy says while nothing stands behind it. */
const MAINTENANCE = [408, 502, 503, 504];

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
