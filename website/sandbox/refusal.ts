import type { ActResult } from './types';

interface Refused {
  message?: string;
  retry_after?: number;
  errors?: unknown;
}

/** Field errors as `path: message`, in their order. */
function* problems(errors: unknown, path: string[] = []): Generator<string> {
  if (typeof errors !== 'object' || errors === null) return;
  for (const [key, value] of Object.entries(errors)) {
    if (key !== '_errors') yield* problems(value, [...path, key]);
    else if (Array.isArray(value)) {
      for (const { message } of value as { message?: string }[]) {
        yield path.length > 0 ? `${path.join('.')}: ${message}` : String(message);
      }
    }
  }
}

/** What a REST answer that refuses something says to a person. */
export function refused({ status, body }: ActResult): string {
  const said = (typeof body === 'object' && body !== null ? body : {}) as Refused;
  const fields = [...problems(said.errors)];
  if (fields.length > 0) return fields.join(' ');
  const message = said.message ?? `Refused with status ${status}.`;
  if (said.retry_after === undefined) return message;
  return `${message} Try again in ${Math.max(said.retry_after, 0.1).toFixed(1)} s.`;
}
