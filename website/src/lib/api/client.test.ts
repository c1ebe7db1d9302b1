import { describe, expect, it } from 'vitest';
import { ApiError, apiClient, unwrap } from './client';

function answering(response: () => Response | Promise<never>) {
  return apiClient(async () => response(), 'http://api.test');
}

const json = (status: number, body: unknown, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify(body), {
    status,
    headers: { 'Content-Type': 'application/json', ...headers }
  });

async function failure(response: () => Response | Promise<never>): Promise<ApiError> {
  const call = unwrap(answering(response).GET('/jobs/summary'));
  return call.then(
    () => expect.fail('it succeeded'),
    (error) => {
      expect(error).toBeInstanceOf(ApiError);
      return error;
    }
  );
}

describe('unwrap', () => {
  it('returns the body of a success', async () => {
    const summary = { pending: 1, running: 2, completed: 3, failed: 4 };
    const call = answering(() => json(200, summary)).GET('/jobs/summary');
    expect(await unwrap(call)).toEqual(summary);
  });

  it.each([
    ['without a body', () => new Response(null, { status: 204 })],
    ['of no length', () => new Response('', { status: 200, headers: { 'Content-Length': '0' } })]
  ])('takes a success %s for a success', async (_, response) => {
    expect(await unwrap(answering(response).GET('/jobs/summary'))).toBeUndefined();
  });

  it('shows the message of the API and how long to wait', async () => {
    const body = { code: 'fleet_unavailable', message: 'starting' };
    const error = await failure(() => json(412, body, { 'Retry-After': '5' }));
    expect(error).toMatchObject({ status: 412, code: 'fleet_unavailable', message: 'starting', retryAfter: 5 });
  });

  it('explains an answer that is not of the API', async () => {
    const error = await failure(() => new Response('<h1>Bad gateway</h1>', { status: 502 }));
    expect(error.message).toContain('maintenance');
    expect(error.retryAfter).toBeNull();
  });

  it('says when nothing answers', async () => {
    const error = await failure(() => Promise.reject(new TypeError('failed to fetch')));
    expect(error).toMatchObject({ status: 0, code: 'unreachable' });
  });
});
