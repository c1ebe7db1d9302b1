import { cleanup, fireEvent, render, screen, waitFor, within } from '@testing-library/svelte';
import { describe, expect, it, vi } from 'vitest';
import { ApiError, apiClient, type InstanceList, type ProxyStatus } from '$lib/api/client';
import { instance, instanceList } from '$lib/clusters/samples';
import { Poller } from '$lib/polling/poller.svelte';
import Operators from './Operators.svelte';
import { OperatorsApi, type LogEntry } from './api';

type Answer = [status: number, body: unknown];

const REFUSAL = { code: 'unauthorized', message: 'X-DP-Host is missing' };
const AWAY = { code: 'fleet_unavailable', message: 'the clusters are out of reach' };

/** The page before a server that answers each path as told, the last answer again and again. */
async function shown(answers: Record<string, Answer[]>) {
  const sent: unknown[] = [];
  const server = vi.fn(async (request: Request) => {
    const { pathname } = new URL(request.url);
    if (request.method === 'POST') sent.push(await request.json());
    const queue = answers[pathname] ?? [[200, pathname === PROXY ? OFF : []]];
    const [status, body] = (queue.length > 1 ? queue.shift() : queue[0]) as Answer;
    const isText = typeof body === 'string';
    return new Response(isText ? body : JSON.stringify(body), {
      status,
      headers: { 'Content-Type': isText ? 'text/plain' : 'application/json' }
    });
  });
  const api = new OperatorsApi(apiClient(server as unknown as typeof fetch, 'http://dash.test'));
  const fleet = new Poller<InstanceList>((signal) => api.instances(signal), 5000);
  const log = new Poller<LogEntry[]>((signal) => api.actionLog(signal), 5000);
  const proxy = new Poller<ProxyStatus>((signal) => api.proxy(signal), 5000);
  render(Operators, { api, fleet, log, proxy });
  await Promise.all([fleet.refresh(), log.refresh(), proxy.refresh()]);
  return { fleet, sent, server };
}

const LIST = '/mewld/api/instance-list';
const LOG = '/mewld/api/action-logs';
const PROXY = '/mewld/api/proxy';
const OFF: ProxyStatus = { enabled: false, report: null };
const HEALTH = '/mewld/api/cluster-health';
const PUBLISH = '/mewld/api/redis/pub';
const two = () => instanceList([instance(0, [0, 1]), instance(1, [2, 3])]);

async function ask(button: string, word: string) {
  await fireEvent.click(screen.getByRole('button', { name: button }));
  const dialog = await screen.findByRole('dialog');
  await fireEvent.input(within(dialog).getByRole('textbox'), { target: { value: word } });
  return within(dialog);
}

describe('Operators', () => {
  it('shows clusters, the fleet and the log with names', async () => {
    await shown({
      [LIST]: [[200, two()]],
      [LOG]: [[200, [{ event: 'cluster_started', id: 1, pid: 7, ts: 1_705_858_621_000_000 }]]]
    });
    expect(await screen.findByText('Cluster 1 (Waffle) was started, process 7')).toBeTruthy();
    expect(screen.getAllByRole('article')).toHaveLength(2);
    expect(document.querySelector('[data-stat="fleet-state"]')?.textContent).toContain('Fully up');
  });

  it('shows how the gateway proxy does', async () => {
    const shard = { id: 0, state: 'connected', latency_ms: 41, guilds: 12, connected_for: 6 };
    const calls = {
      tokens: 2,
      waiting: 5,
      in_flight: 1,
      buckets: 40,
      left_in_second: 49,
      per_second: 50,
      refused_in_ten_minutes: 3
    };
    const report = {
      uptime: 7,
      resharding: true,
      shards: [shard, { id: 1, state: 'refused', latency_ms: null, guilds: 0, connected_for: null }],
      clients: 3,
      clients_away: 1,
      backlog_bytes: 4096,
      session_starts_remaining: 990,
      calls
    };
    await shown({ [LIST]: [[200, two()]], [PROXY]: [[200, { enabled: true, report }]] });
    const section = within(await screen.findByRole('region', { name: 'Gateway proxy' }));
    const stat = (id: string) => document.querySelector(`[data-stat="${id}"]`)?.textContent;
    expect(stat('proxy-shards')).toMatch(/1.*of 2/s);
    expect(stat('proxy-clients')).toMatch(/3.*1 away/s);
    expect(stat('proxy-backlog')).toContain('4');
    expect(stat('proxy-starts')).toContain('990');
    expect(stat('proxy-waiting')).toMatch(/5.*1 under way/s);
    expect(stat('proxy-buckets')).toContain('40');
    expect(stat('proxy-second')).toMatch(/49.*of 50/s);
    expect(stat('proxy-refused')).toContain('3');
    expect(section.getByText('41 ms')).toBeTruthy();
    expect(section.getByText('Discord refuses it')).toBeTruthy();
    expect(section.getByText('Another number of shards is on its way.')).toBeTruthy();
  });

  it('says when there is no gateway proxy, or none that answers', async () => {
    await shown({ [LIST]: [[200, two()]] });
    expect(await screen.findByText('No gateway proxy is used')).toBeTruthy();
    cleanup();
    await shown({ [LIST]: [[200, two()]], [PROXY]: [[200, { enabled: true, report: null }]] });
    expect(await screen.findByText('The gateway proxy does not answer')).toBeTruthy();
  });

  it('explains why nobody is let in', async () => {
    await shown({ [LIST]: [[401, REFUSAL]], [LOG]: [[401, REFUSAL]] });
    const alert = await screen.findByRole('alert');
    expect(alert.textContent).toContain('X-DP-Host is missing');
    expect(alert.textContent).toContain('allowed_ids');
    expect(screen.queryByText('Action log')).toBeNull();
  });

  it('keeps what it knew while the launcher is away', async () => {
    const { fleet } = await shown({ [LIST]: [[200, two()], [412, AWAY]] });
    await fleet.refresh();
    expect(await screen.findByText('The launcher cannot be reached')).toBeTruthy();
    expect(screen.getByText(/^Connection lost\. You see the state of /)).toBeTruthy();
    expect(screen.getAllByRole('article')).toHaveLength(2);
  });

  it('has words for an empty fleet and an empty log', async () => {
    await shown({ [LIST]: [[200, instanceList([])]] });
    expect(await screen.findByText('No clusters are planned yet.')).toBeTruthy();
    expect(screen.getByText('Nothing has happened yet.')).toBeTruthy();
  });

  it('asks for health on demand and shows a refusal', async () => {
    const shard = { shard_id: 0, up: true, latency: 41, guilds: 12, users: 3400 };
    await shown({
      [LIST]: [[200, two()]],
      [HEALTH]: [
        [400, { code: 'not_fully_up', message: 'not all clusters have launched yet' }],
        [200, { locked: false, health: [shard] }]
      ]
    });
    const button = await screen.findByRole('button', { name: 'Health of cluster Flare' });
    await fireEvent.click(button);
    expect(button.getAttribute('aria-expanded')).toBe('true');
    expect(await screen.findByText('not all clusters have launched yet')).toBeTruthy();
    await fireEvent.click(screen.getByRole('button', { name: 'Try again' }));
    expect(await screen.findByText('41 ms')).toBeTruthy();
  });

  it('sends a command only after its name', async () => {
    const { sent } = await shown({ [LIST]: [[200, two()]], [PUBLISH]: [[200, '1']] });
    await screen.findAllByRole('article');
    let dialog = await ask('Restart cluster 1 (Waffle)', 'Stop');
    const confirm = () => dialog.getByRole('button', { name: 'Restart' });
    expect(confirm().getAttribute('aria-disabled')).toBe('true');
    await fireEvent.click(confirm());
    await fireEvent.click(dialog.getByRole('button', { name: 'Cancel' }));
    await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
    expect(sent).toEqual([]);

    dialog = await ask('Restart cluster 1 (Waffle)', ' restart ');
    expect(confirm().getAttribute('aria-disabled')).toBeNull();
    await fireEvent.click(confirm());
    expect(await screen.findByText('Accepted')).toBeTruthy();
    expect(sent).toEqual([{ scope: 'launcher', action: 'restart', args: { id: 1 } }]);
  });

  it('keeps the dialog open with the reason of a refusal', async () => {
    const { sent } = await shown({
      [LIST]: [[200, two()]],
      [PUBLISH]: [[409, { code: 'reshard_disabled', message: 'the clusterer refused: reshard disabled' }]]
    });
    await screen.findAllByRole('article');
    const dialog = await ask('Reshard to the number of shards that Discord recommends', 'Reshard');
    await fireEvent.click(dialog.getByRole('button', { name: 'Reshard' }));
    expect(await dialog.findByText('the clusterer refused: reshard disabled')).toBeTruthy();
    expect(sent).toEqual([{ scope: 'launcher', action: 'reshard' }]);
    expect(screen.queryByText('Accepted')).toBeNull();
  });

  it('says in a text why a button does nothing, and keeps it in reach', async () => {
    await shown({ [LIST]: [[200, { ...two(), FullyUp: false }]] });
    const button = await screen.findByRole('button', { name: /^Rolling restart/ });
    expect(button.getAttribute('aria-disabled')).toBe('true');
    expect(button.hasAttribute('disabled')).toBe(false);
    const reason = document.getElementById(button.getAttribute('aria-describedby')!);
    expect(reason?.textContent).toBe('Not now: not all clusters are up.');
    await fireEvent.click(button);
    expect(screen.queryByRole('dialog')).toBeNull();
  });

  it('stays open while a command is on its way, and then says what came of it', async () => {
    let answer!: (response: Response) => void;
    const pending = new Promise<Response>((resolve) => (answer = resolve));
    const { server } = await shown({ [LIST]: [[200, two()]] });
    await screen.findAllByRole('article');
    const dialog = await ask('Restart cluster 1 (Waffle)', ' restart ');
    server.mockImplementationOnce(() => pending);
    await fireEvent.click(dialog.getByRole('button', { name: 'Restart' }));
    await dialog.findByRole('button', { name: 'Working…' });
    const escape = new Event('cancel', { cancelable: true });
    screen.getByRole('dialog').dispatchEvent(escape);
    expect(escape.defaultPrevented).toBe(true);
    await fireEvent.click(dialog.getByRole('button', { name: 'Cancel' }));
    await fireEvent.click(dialog.getByRole('button', { name: 'Close' }));
    answer(Response.json({ code: 'locked', message: 'the cluster is locked' }, { status: 409 }));
    expect(await dialog.findByText('the cluster is locked')).toBeTruthy();
    await fireEvent.click(dialog.getByRole('button', { name: 'Cancel' }));
    await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  });

  it('does not take an unknown health for shards that are down', async () => {
    const silent = instanceList([instance(0, [0, 1], { ClusterHealth: [] })]);
    const { fleet } = await shown({ [LIST]: [[200, silent]] });
    await screen.findAllByRole('article');
    expect(document.querySelector('[data-stat="shards-up"]')?.textContent).toContain('unknown');
    expect(screen.getByRole('article').textContent).toContain('health unknown');
    expect(fleet.value).toBeTruthy();
  });
});
