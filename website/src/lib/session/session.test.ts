import { expect, it, vi } from 'vitest';
import { apiClient } from '$lib/api/client';
import { Session, signInAt, type Credentials } from './session.svelte';

const SERVER: Credentials = { kind: 'Server', id: '1100000000001179648', token: 's.secret' };

function memory() {
  const kept = new Map<string, string>();
  return {
    kept,
    read: (key: string) => kept.get(key) ?? null,
    write: (key: string, value: string | null) => void (value === null ? kept.delete(key) : kept.set(key, value))
  };
}

const answering = (status: number) => vi.fn<typeof fetch>(async () => new Response('{}', { status }));
const header = (send: ReturnType<typeof answering>) => (send.mock.lastCall![0] as Request).headers.get('Authorization');

it('sends the token to what asks for one, and to nothing else', async () => {
  const session = new Session(memory());
  session.signIn(SERVER);
  const send = answering(200);
  await session.authorized(send)('http://site.test/entities/1/tasks');
  expect(header(send)).toBe('Server s.secret');
  for (const path of ['/clusters/health', '/mewld/api/ping', '/x/entities/1']) {
    await session.authorized(send)(`http://site.test${path}`);
    expect(header(send), path).toBeNull();
  }
});

it('is over when the token is refused, and keeps what is there', async () => {
  const session = new Session(memory());
  session.signIn(SERVER);
  await session.authorized(answering(403))('http://site.test/entities/1/tasks');
  expect(session.over).toBe(false);
  await session.authorized(answering(401))('http://site.test/entities/1/tasks');
  expect([session.over, session.credentials]).toEqual([true, SERVER]);
  session.signIn(SERVER);
  expect(session.over).toBe(false);
});

it('lasts as long as the tab, and signing out can be taken back', () => {
  const store = memory();
  new Session(store).signIn(SERVER);
  const session = new Session(store);
  expect(session.credentials).toEqual(SERVER);
  const undo = session.signOut();
  expect([session.credentials, store.kept.size]).toEqual([null, 0]);
  undo();
  expect(new Session(store).credentials).toEqual(SERVER);
});

it.each(['', 'null', '[]', '{"kind":"Bot","id":"1","token":"t"}', '{"kind":"User","id":1,"token":"t"}', '{'])(
  'ignores what it did not write: %s',
  (text) => {
    const store = memory();
    store.kept.set('wistala', text);
    expect(new Session(store).credentials).toBeNull();
  }
);

const known = { user: { user: { id: '1', username: 'o', display_name: 'O', avatar: '' }, state: 'normal' }, operator: true };
const telling = (body: unknown) =>
  vi.fn<typeof fetch>(async (input) => {
    const post = (input as Request).method === 'POST';
    return new Response(post ? null : JSON.stringify(body), { status: post ? 204 : 200, headers: { 'Content-Type': 'application/json' } });
  });

it('knows who signed in in this browser until they sign out', async () => {
  const session = new Session(memory());
  const api = apiClient(telling(known), 'http://site.test');
  expect(session.person).toBeUndefined();
  await session.recognise(api);
  expect(session.person).toEqual({ id: '1', username: 'o', display_name: 'O', avatar: '', banned: false, operator: true });
  await session.leave(api);
  expect(session.person).toBeNull();
});

it('is over when the browser is asked who it is, but not where nobody has to be', async () => {
  const session = new Session(memory());
  await session.recognise(apiClient(telling(known), 'http://site.test'));
  await session.authorized(answering(401))('http://site.test/mewld/api/ping');
  expect(session.over).toBe(false);
  await session.authorized(answering(401))('http://site.test/users/@me/guilds');
  expect(session.over).toBe(true);
});

it('comes back to the page that asked for a sign-in', () => {
  expect(signInAt(new URL('http://site.test/dashboard/guilds?id=1&x=a%26b'))).toBe('/login?to=%2Fdashboard%2Fguilds%3Fid%3D1%26x%3Da%2526b');
});
