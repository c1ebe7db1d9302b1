import { fireEvent, render, screen, waitFor, within } from '@testing-library/svelte';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import answers from './answers.json';
import { Control } from './api';
import App from './App.svelte';
import { Session } from './session.svelte';
import type { ActResult, Entry, Interacted, Message } from './types';

type Body = Record<string, unknown>;

/** A sandbox of recorded answers. `asked` are the calls that change something. */
class Recorded {
  asked: [path: string, body: Body][] = [];
  messages: unknown[] = answers.messages;
  guild: [status: number, body: unknown] = [200, answers.guild];
  interacted: Partial<Interacted> = {};
  acted: ActResult = { status: 200, body: null };
  members: unknown = answers.members;
  guilds: unknown = answers.guilds;
  bans: unknown = answers.bans;
  /** Ends of paths whose answers are kept back, until they may go. */
  held = new Map<string, Promise<void>>();
  /** Ends of paths whose calls do not arrive. */
  lost = new Set<string>();
  #news: ((entries: Entry[]) => void) | undefined;

  readonly fetch = (async (input: RequestInfo | URL, init?: RequestInit) => {
    const url = new URL(String(input), 'http://sandbox.test');
    if (url.pathname === '/ctl/journal') {
      const entries = await new Promise<Entry[]>((resolve) => (this.#news = resolve));
      return Response.json(entries);
    }
    if (init?.method === 'POST') {
      this.asked.push([url.pathname, JSON.parse(String(init.body)) as Body]);
      const taken = { interaction_id: '1', ack_ms: 1, messages: [], ...this.interacted };
      const results = { results: [this.acted] };
      for (const [end, gone] of this.held) if (url.pathname.endsWith(end)) await gone;
      return Response.json(url.pathname.endsWith('/interact') ? taken : results);
    }
    const hits = (end: string) => url.pathname.endsWith(end);
    for (const [end, gone] of this.held) if (hits(end)) await gone;
    if ([...this.lost].some(hits)) throw new TypeError('Failed to fetch');
    const [status, body] = this.#answer(url.pathname);
    return Response.json(body, { status });
  }) as typeof fetch;

  #answer(path: string): [status: number, body: unknown] {
    if (path === '/ctl/overview') return [200, answers.overview];
    if (path === '/ctl/guilds') return [200, this.guilds];
    if (path.endsWith('/members')) return [200, this.members];
    if (path.endsWith('/guild')) return this.guild;
    if (path.endsWith('/messages')) return [200, this.messages];
    if (path.endsWith('/threads')) return [200, answers.posts];
    if (path.endsWith('/commands')) return [200, answers.commands];
    if (path.endsWith('/audit')) return [200, answers.audit];
    if (path.endsWith('/dms')) return [200, answers.dms];
    if (path.endsWith('/bans')) return [200, this.bans];
    if (path === '/ctl/users') return [200, answers.users];
    if (path === '/ctl/drills') return [200, []];
    return [404, answers.refusal];
  }

  /** Keeps answers back; whoever calls what is returned lets them go. */
  hold(end: string): () => void {
    let go = () => {};
    this.held.set(end, new Promise((resolve) => (go = resolve)));
    return () => {
      this.held.delete(end);
      go();
    };
  }

  /** The journal tells of a message, once the page follows it. */
  async tell(): Promise<void> {
    await waitFor(() => expect(this.#news).toBeDefined());
    this.#news?.([{ seq: 2, kind: 'request', method: 'POST', path: '/channels/1/messages', status: 200 }]);
  }
}

async function shown(recorded = new Recorded()) {
  const { container } = render(App, { session: new Session(new Control(recorded.fetch)) });
  return { recorded, container };
}

const log = () => screen.findByRole('log', { name: 'Messages' });

/** A text channel that is not open. */
const elsewhere = (session: Session) =>
  answers.guild.channels.find((channel) => channel.type === 0 && channel.id !== session.channel?.id)!.id;

async function composer() {
  await log();
  return screen.getByRole('textbox', { name: /^Message #general/ });
}

beforeEach(() => {
  history.replaceState(null, '', '/');
  const query = Object.assign(new EventTarget(), { matches: false });
  vi.spyOn(window, 'matchMedia').mockReturnValue(query as unknown as MediaQueryList);
});

describe('the page', () => {
  it('shows channels, messages, embeds, replies and members', async () => {
    await shown();
    const messages = within(await log());
    expect(messages.getByText('A title')).toBeTruthy();
    expect(messages.getByText('bold').tagName).toBe('STRONG');
    expect(messages.getByRole('button', { name: 'Press' })).toBeTruthy();
    expect(messages.getByRole('button', { name: '👍, 1' }).getAttribute('aria-pressed')).toBe('true');
    expect(screen.getByRole('button', { name: 'Trip planning' })).toBeTruthy();
    expect(within(screen.getByRole('list', { name: 'Members' })).getByText('Olivia')).toBeTruthy();
  });

  it('follows the journal', async () => {
    const { recorded } = await shown();
    await log();
    recorded.messages = [...answers.messages, { ...answers.messages[0]!, id: '9', content: 'News' }];
    await recorded.tell();
    expect(await screen.findByText('News')).toBeTruthy();
  });

  it('sends what is written, and a reaction is taken back', async () => {
    const { recorded } = await shown();
    const field = await composer();
    await fireEvent.input(field, { target: { value: 'Hello' } });
    await fireEvent.keyDown(field, { key: 'Enter' });
    await waitFor(() => expect(recorded.asked).toHaveLength(1));
    expect(recorded.asked[0]?.[0]).toMatch(/\/say$/);
    expect(recorded.asked[0]?.[1]).toMatchObject({ body: { content: 'Hello' } });
    await fireEvent.click(screen.getByRole('button', { name: '👍, 1' }));
    await waitFor(() => expect(recorded.asked).toHaveLength(2));
    expect(recorded.asked[1]).toMatchObject([
      expect.stringMatching(/\/unreact$/),
      { body: { emoji: '👍' } }
    ]);
  });

  it('sends files with a message, and mentions for names', async () => {
    const { recorded } = await shown();
    const field = await composer();
    const file = new File(['hello'], 'note.txt', { type: 'text/plain' });
    await fireEvent.change(screen.getByLabelText('Files to send'), { target: { files: [file] } });
    await screen.findByRole('button', { name: 'Remove note.txt' });
    await fireEvent.input(field, { target: { value: '@oli' } });
    await fireEvent.click(await screen.findByRole('option', { name: /@Olivia/ }));
    await waitFor(() => expect((field as HTMLTextAreaElement).value).toBe('@Olivia '));
    await fireEvent.keyDown(field, { key: 'Enter' });
    await waitFor(() => expect(recorded.asked).toHaveLength(1));
    expect(recorded.asked[0]?.[1]).toMatchObject({
      body: { content: '<@1100000000000000010>' },
      files: [{ filename: 'note.txt', content_base64: 'aGVsbG8=' }]
    });
    await waitFor(() => expect(screen.queryByRole('list', { name: 'Files to send' })).toBeNull());
  });

  it('edits the last message of one\'s own from an empty field', async () => {
    const { recorded } = await shown();
    const user = answers.members.members[0]!.user;
    recorded.messages = [{ ...answers.messages[0]!, id: '9', type: 0, content: 'Tpyo', author: user }];
    await recorded.tell();
    const field = await composer();
    await screen.findByText('Tpyo');
    await fireEvent.keyDown(field, { key: 'ArrowUp' });
    const editor = await screen.findByLabelText('Edit the message');
    await fireEvent.input(editor, { target: { value: 'Typo' } });
    await fireEvent.keyDown(editor, { key: 'Enter' });
    await waitFor(() => expect(recorded.asked).toHaveLength(1));
    expect(recorded.asked[0]).toMatchObject([
      expect.stringMatching(/\/edit_message$/),
      { message_id: '9', body: { content: 'Typo' } }
    ]);
    await waitFor(() => expect(screen.queryByLabelText('Edit the message')).toBeNull());
  });

  it('opens direct messages, where no server is named', async () => {
    const { recorded } = await shown();
    await log();
    await fireEvent.click(screen.getByRole('button', { name: 'Splashtail' }));
    const field = await screen.findByRole('textbox', { name: /^Message @Splashtail/ });
    await fireEvent.input(field, { target: { value: '/gre' } });
    await fireEvent.keyDown(field, { key: 'Enter' });
    await fireEvent.input(await screen.findByLabelText(/^whom/), { target: { value: 'Ada' } });
    await fireEvent.click(screen.getByRole('button', { name: 'Run' }));
    const sent = () => recorded.asked.filter(([, body]) => body.kind === 'slash');
    await waitFor(() => expect(sent()).toHaveLength(1));
    expect(sent()[0]?.[1]).toMatchObject({ channel_id: answers.dms[0]!.id });
    expect(sent()[0]?.[1]).not.toHaveProperty('guild_id');
  });

  it('says what was refused, until it is dismissed', async () => {
    const recorded = new Recorded();
    recorded.acted = { status: 429, body: { message: 'You are being rate limited.', retry_after: 2 } };
    await shown(recorded);
    const field = await composer();
    await fireEvent.input(field, { target: { value: 'Hello' } });
    await fireEvent.keyDown(field, { key: 'Enter' });
    const said = await screen.findByText('You are being rate limited. Try again in 2.0 s.');
    expect((field as HTMLTextAreaElement).value).toBe('Hello');
    await fireEvent.click(screen.getByRole('button', { name: 'Dismiss' }));
    expect(said.isConnected).toBe(false);
  });

  it('runs a command with values of the right types', async () => {
    const { recorded } = await shown();
    const field = await composer();
    await fireEvent.input(field, { target: { value: '/gre' } });
    expect(screen.getByRole('option', { name: /\/greet/ }).getAttribute('aria-selected')).toBe('true');
    await fireEvent.keyDown(field, { key: 'Enter' });
    await fireEvent.input(await screen.findByLabelText(/^whom/), { target: { value: 'Ada' } });
    await fireEvent.input(screen.getByLabelText(/^times/), { target: { value: 'x' } });
    const run = screen.getByRole('button', { name: 'Run' });
    await fireEvent.click(run);
    expect(screen.getByText('times has to be a whole number.')).toBeTruthy();
    await fireEvent.input(screen.getByLabelText(/^times/), { target: { value: '3' } });
    await fireEvent.click(run);
    const sent = () => recorded.asked.filter(([, body]) => body.kind === 'slash');
    await waitFor(() => expect(sent()).toHaveLength(1));
    expect(sent()[0]?.[1]).toMatchObject({ name: 'greet', options: { whom: 'Ada', times: 3 } });
  });

  it('says what is missing before it asks anyone', async () => {
    const { recorded } = await shown();
    const field = await composer();
    await fireEvent.input(field, { target: { value: '/greet' } });
    await fireEvent.keyDown(field, { key: 'Enter' });
    await fireEvent.click(await screen.findByRole('button', { name: 'Run' }));
    expect(screen.getByText('whom is needed.')).toBeTruthy();
    expect(recorded.asked).toEqual([]);
  });

  it('tells an outsider how to come in', async () => {
    const recorded = new Recorded();
    recorded.guild = [403, { code: 'not_a_member', message: 'user is not in the guild' }];
    await shown(recorded);
    await fireEvent.click(await screen.findByRole('button', { name: 'Join the server' }));
    expect(recorded.asked[0]?.[0]).toMatch(/\/join$/);
  });

  it('says that nobody is in a server once that is known', async () => {
    const recorded = new Recorded();
    recorded.members = { total: 0, members: [] };
    const go = recorded.hold('/members');
    await shown(recorded);
    await screen.findByDisplayValue(answers.guilds.guilds[0]!.name);
    expect(screen.queryByText('Nobody is in this server.')).toBeNull();
    const side = within(screen.getByRole('list', { name: 'Members' }));
    expect(side.getByText('Loading…')).toBeTruthy();
    go();
    await waitFor(() => expect(screen.getAllByText('Nobody is in this server.')).toHaveLength(2));
  });

  it('says that a world is empty once that is known', async () => {
    const recorded = new Recorded();
    recorded.guilds = { total: 0, guilds: [] };
    const go = recorded.hold('/ctl/guilds');
    const session = new Session(new Control(recorded.fetch));
    render(App, { session });
    await waitFor(() => expect(session.overview).toBeDefined());
    const claims = () => screen.queryAllByText(/This world is empty|No server is open/);
    expect(claims()).toEqual([]);
    recorded.lost.add('/ctl/guilds');
    go();
    const chat = within(screen.getByRole('region', { name: 'Chat' }));
    expect(await chat.findByText('The sandbox cannot be reached.')).toBeTruthy();
    expect(claims()).toEqual([]);
    recorded.lost.delete('/ctl/guilds');
    await fireEvent.click(chat.getByRole('button', { name: 'Try again' }));
    await waitFor(() => expect(claims()).toHaveLength(2));
  });

  it('says why the members are not there, whatever was opened meanwhile', async () => {
    const recorded = new Recorded();
    const session = new Session(new Control(recorded.fetch));
    render(App, { session });
    await log();
    const go = recorded.hold('/members');
    session.members = undefined;
    const reading = session.again('members');
    await session.openChannel(elsewhere(session));
    recorded.lost.add('/members');
    go();
    await reading;
    expect(session.problems.members).toBe('The sandbox cannot be reached.');
    const side = within(screen.getByRole('list', { name: 'Members' }));
    expect(await side.findByText('The sandbox cannot be reached.')).toBeTruthy();
  });

  it('offers no commands of where one was before', async () => {
    const recorded = new Recorded();
    const session = new Session(new Control(recorded.fetch));
    render(App, { session });
    await log();
    await waitFor(() => expect(session.commands).toBeDefined());
    const go = recorded.hold('/commands');
    const opening = session.openChannel(elsewhere(session));
    expect(session.commands).toBeUndefined();
    go();
    await opening;
    expect(session.commands).toBeDefined();
  });

  it('knows of no bans when the list could not be read again', async () => {
    const recorded = new Recorded();
    recorded.bans = { total: 0, bans: [] };
    const session = new Session(new Control(recorded.fetch));
    render(App, { session });
    await log();
    await fireEvent.click(screen.getByRole('button', { name: 'Bans' }));
    const list = within(await screen.findByRole('list', { name: 'Bans' }));
    expect(await list.findByText('Nobody is banned.')).toBeTruthy();
    recorded.lost.add('/bans');
    await session.again('members');
    expect(await list.findByText('The sandbox cannot be reached.')).toBeTruthy();
    expect(list.queryByText('Nobody is banned.')).toBeNull();
  });

  it('says what cannot be read, and reads it again', async () => {
    const recorded = new Recorded();
    for (const end of ['/messages', '/audit', '/bans', '/drills']) recorded.lost.add(end);
    await shown(recorded);
    const unreachable = 'The sandbox cannot be reached.';
    const retry = async (name: string | RegExp, role = 'region') => {
      const part = within(await screen.findByRole(role, { name }));
      expect(await part.findByText(unreachable)).toBeTruthy();
      await fireEvent.click(part.getByRole('button', { name: 'Try again' }));
      await waitFor(() => expect(part.queryByText(unreachable)).toBeNull());
    };
    await screen.findByText(unreachable, { selector: '[role=alert] *' });
    recorded.lost.delete('/messages');
    await retry('Chat');
    await log();
    await fireEvent.click(screen.getByRole('tab', { name: 'Audit log' }));
    await screen.findAllByText(unreachable);
    recorded.lost.delete('/audit');
    await retry('Audit log');
    await fireEvent.click(screen.getByRole('tab', { name: 'Drills' }));
    await screen.findAllByText(unreachable);
    recorded.lost.delete('/drills');
    await retry('Drills', 'tabpanel');
    expect(screen.getByText('No drill was started yet.')).toBeTruthy();
    await fireEvent.click(screen.getByRole('tab', { name: 'Members' }));
    await fireEvent.click(screen.getByRole('button', { name: 'Bans' }));
    await screen.findAllByText(unreachable);
    recorded.lost.delete('/bans');
    await retry('Bans', 'list');
  });

  it('looks at a server again that could not be opened', async () => {
    const recorded = new Recorded();
    const { container } = await shown(recorded);
    await log();
    recorded.lost.add('/guild');
    await fireEvent.click(screen.getByRole('combobox', { name: 'Server' }));
    await fireEvent.click(await screen.findByRole('option', { name: new RegExp(answers.guilds.guilds[0]!.name) }));
    const chat = within(screen.getByRole('region', { name: 'Chat' }));
    expect(await chat.findByText('The sandbox cannot be reached.')).toBeTruthy();
    expect(container.textContent).not.toContain('Nobody is in this server.');
    recorded.lost.delete('/guild');
    await fireEvent.click(chat.getByRole('button', { name: 'Try again' }));
    expect(await log()).toBeTruthy();
  });

  it('finds nobody only in the answer to what is looked for', async () => {
    const recorded = new Recorded();
    await shown(recorded);
    await log();
    recorded.members = { total: 0, members: [] };
    const field = screen.getByRole('searchbox', { name: 'Find a member' });
    await fireEvent.input(field, { target: { value: 'zzz' } });
    expect(await screen.findByText('Nobody of that name.')).toBeTruthy();
    const go = recorded.hold('/members');
    await fireEvent.input(field, { target: { value: 'o' } });
    await waitFor(() => expect(screen.queryByText('Nobody of that name.')).toBeNull());
    recorded.members = answers.members;
    go();
    expect(await screen.findByText('Olivia')).toBeTruthy();
  });

  it('loads a world from its beginning', async () => {
    const { recorded } = await shown();
    await log();
    await fireEvent.click(screen.getByRole('button', { name: 'World' }));
    await fireEvent.click(await screen.findByRole('radio', { name: /^big/ }));
    await fireEvent.click(screen.getByRole('button', { name: 'Load' }));
    await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
    expect(recorded.asked).toEqual([['/ctl/world', { world: 'big', seed: 1 }]]);
  });

  it('shows what an interaction answered instead of a message', async () => {
    const recorded = new Recorded();
    recorded.interacted = { error: 'The application did not respond' };
    await shown(recorded);
    await fireEvent.click(within(await log()).getByRole('button', { name: 'Press' }));
    expect(await screen.findByText('The application did not respond')).toBeTruthy();
  });

  it('opens no form for whoever was chosen while the answer was on its way', async () => {
    const recorded = new Recorded();
    const field = { type: 4, custom_id: 'why', label: 'Why?', style: 1 };
    recorded.interacted = { modal: { title: 'A form', custom_id: 'form', components: [{ type: 1, components: [field] }] } };
    const session = new Session(new Control(recorded.fetch));
    render(App, { session });
    await log();
    const press = () => session.interact({ kind: 'button', custom_id: 'a', message_id: '1' }, 'Press');
    const go = recorded.hold('/interact');
    const pressed = press();
    await session.openChannel(elsewhere(session));
    go();
    expect(await pressed).toBe(true);
    expect(session.modal).toBeUndefined();
    expect(await press()).toBe(true);
    expect(session.modal).toBeDefined();
  });

  it('waits until the last of several presses is answered', async () => {
    const recorded = new Recorded();
    const session = new Session(new Control(recorded.fetch));
    render(App, { session });
    await log();
    const press = (what: string) => session.interact({ kind: 'button', custom_id: 'a', message_id: '1' }, what);
    const first = recorded.hold('/interact');
    const one = press('one');
    await waitFor(() => expect(recorded.asked).toHaveLength(1));
    const second = recorded.hold('/interact');
    const two = press('two');
    expect(session.waiting).toBe('two');
    first();
    await one;
    expect(session.waiting).toBe('two');
    second();
    await two;
    expect(session.waiting).toBe('');
  });

  it('says that lists could not be read again, and shows what is known of them', async () => {
    const recorded = new Recorded();
    recorded.bans = { total: 1, bans: [{ user: answers.members.members[0]!.user, reason: 'spam' }] };
    const session = new Session(new Control(recorded.fetch));
    render(App, { session });
    await log();
    const unreachable = 'The sandbox cannot be reached.';
    recorded.lost.add('/members');
    await session.again('members');
    const members = within(screen.getByRole('list', { name: 'Members' }));
    expect(await members.findByText(unreachable)).toBeTruthy();
    expect(members.getByText('Olivia')).toBeTruthy();
    recorded.lost.delete('/members');
    await fireEvent.click(screen.getByRole('button', { name: 'Bans' }));
    const bans = within(await screen.findByRole('list', { name: 'Bans' }));
    await bans.findByText('spam');
    recorded.lost.add('/bans');
    await session.again('members');
    expect(await bans.findByText(unreachable)).toBeTruthy();
    expect(bans.getByText('spam')).toBeTruthy();
  });

  it('never reads text of others as markup', async () => {
    const evil = '<img src=x onerror=alert(1)>';
    const recorded = new Recorded();
    const message: Message = {
      ...(answers.messages[0] as Message),
      id: '1',
      type: 0,
      content: evil,
      author: { id: '5', username: evil, global_name: null, avatar: null },
      member: { nick: evil, roles: [] },
      embeds: [{ title: evil, description: evil, url: 'javascript:alert(1)', image: { url: 'https://evil.test/x.png' } }],
      components: [{ type: 1, components: [{ type: 2, style: 5, label: evil, url: 'javascript:alert(1)' }] }],
      reactions: [],
      referenced_message: undefined,
      interaction: undefined
    };
    recorded.messages = [message];
    const { container } = await shown(recorded);
    await log();
    expect(screen.getAllByText(evil).length).toBeGreaterThan(2);
    expect(container.querySelector('[onerror]')).toBeNull();
    expect(container.innerHTML).not.toContain('javascript:');
    expect(container.querySelector('img[src*="evil.test"]')).toBeNull();
  });
});
