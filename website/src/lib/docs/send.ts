import { address, type Operation } from './document';

export interface Answer {
  status: number;
  ms: number;
  /** JSON is indented; long ones are cut. */
  body: string;
}

const LONGEST = 20_000;

/** Asks as the form says. Redirects are not followed: browsers hide them from pages. */
export async function send(
  operation: Operation,
  values: Record<string, string>,
  body: string,
  tokens: Record<string, string>
): Promise<Answer> {
  const headers = new Headers();
  for (const [name, value] of Object.entries(tokens)) if (value) headers.set(name, value);
  for (const { name, in: place } of operation.parameters) {
    const value = values[name];
    if (place === 'header' && value) headers.set(name, value);
  }
  if (operation.body) headers.set('Content-Type', 'application/json');
  const started = performance.now();
  const response = await fetch(address(operation, values), {
    method: operation.method,
    headers,
    body: operation.body ? body : undefined,
    redirect: 'manual'
  });
  const text = await response.text();
  return { status: response.status, ms: Math.round(performance.now() - started), body: tidy(text) };
}

function tidy(text: string): string {
  let shown = text;
  try {
    shown = JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    // Not JSON: shown as it is.
  }
  return shown.length > LONGEST ? `${shown.slice(0, LONGEST)}…` : shown;
}
