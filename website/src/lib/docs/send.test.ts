import { afterEach, expect, it, vi } from 'vitest';
import type { Operation } from './document';
import { send } from './send';

afterEach(() => vi.unstubAllGlobals());

const operation: Operation = {
  id: 'x',
  method: 'POST',
  path: '/a/{id}',
  summary: '',
  description: '',
  parameters: [
    { name: 'id', in: 'path' },
    { name: 'Idempotency-Key', in: 'header' },
    { name: 'q', in: 'query' }
  ],
  body: { type: 'object' },
  answers: [],
  needs: []
};

it('puts each value where it belongs and shows JSON in lines', async () => {
  const fetched = vi.fn(async () => new Response('{"a":1}', { status: 201 }));
  vi.stubGlobal('fetch', fetched);
  const values = { id: '7', 'Idempotency-Key': 'k', q: '1' };
  const answer = await send(operation, values, '{}', { 'User-Auth': 'secret', 'Server-Auth': '' });
  expect(answer).toMatchObject({ status: 201, body: '{\n  "a": 1\n}' });
  const [address, request] = fetched.mock.calls[0] as unknown as [string, RequestInit];
  expect([address, request.method, request.body]).toEqual(['/a/7?q=1', 'POST', '{}']);
  const headers = request.headers as Headers;
  const sent = ['content-type', 'idempotency-key', 'user-auth', 'server-auth'].map((name) => headers.get(name));
  expect(sent).toEqual(['application/json', 'k', 'secret', null]);
});
