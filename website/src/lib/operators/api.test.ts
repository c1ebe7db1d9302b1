import { expect, it } from 'vitest';
import { apiClient } from '$lib/api/client';
import { continued, OperatorsApi } from './api';

const entry = (ts: number, n = 0) => ({ ts, n, event: 'x' });

it.each([
  ['begins', [], [entry(1)], [entry(1)]],
  ['goes on', [entry(1), entry(2)], [entry(2), entry(3)], [entry(1), entry(2), entry(3)]],
  ['has several entries of one moment', [entry(1), entry(2, 0)], [entry(2, 0), entry(2, 1)], [entry(1), entry(2, 0), entry(2, 1)]],
  ['is out of order', [entry(3), entry(2)], [entry(2), entry(1)], [entry(3), entry(2), entry(1)]],
  ['stays the same', [entry(1)], [entry(1)], [entry(1)]],
  ['was cut', [entry(1)], [entry(5), entry(6)], [entry(5), entry(6)]],
  ['was cleared', [entry(1)], [], []]
])('knows how a log that %s goes on', (_, log, news, all) => {
  expect(continued(log, news)).toEqual(all);
});

it('asks for what is new', async () => {
  const asked: string[] = [];
  const answers = [[entry(1), entry(2)], [entry(2), entry(3)]];
  const server = async (request: Request) => {
    asked.push(new URL(request.url).search);
    return Response.json(answers.shift());
  };
  const api = new OperatorsApi(apiClient(server as unknown as typeof fetch, 'http://api.test'));
  expect(await api.actionLog()).toEqual([entry(1), entry(2)]);
  expect(await api.actionLog()).toEqual([entry(1), entry(2), entry(3)]);
  expect(asked).toEqual(['?limit=1000', '?since=2&limit=1000']);
});
