import { render, screen, waitFor, within } from '@testing-library/svelte';
import { describe, expect, it } from 'vitest';
import { ApiError, type InstanceList } from '$lib/api/client';
import { Poller } from '$lib/polling/poller.svelte';
import Clusters from './Clusters.svelte';
import { instance, instanceList } from './samples';

async function shown(...answers: (InstanceList | ApiError)[]) {
  const fleet = new Poller<InstanceList>(async () => {
    const answer = answers.shift();
    if (answer instanceof Error || answer === undefined) throw answer;
    return answer;
  }, 5000);
  const { container } = render(Clusters, { fleet });
  return { fleet, container };
}

describe('Clusters', () => {
  it('says that it is loading', async () => {
    await shown();
    const status = screen.getByRole('status');
    expect(status.textContent?.trim(), 'what is fast does not flicker').toBe('');
    await waitFor(() => expect(status.textContent).toContain('Loading the state of the clusters'));
  });

  it('shows one row per cluster and their sum', async () => {
    const { fleet, container } = await shown(
      instanceList([instance(0, [0, 1]), instance(1, [2, 3], { ClusterHealth: null, LaunchedFully: false })])
    );
    await fleet.refresh();
    const rows = (await screen.findAllByRole('row')).slice(1);
    expect(rows).toHaveLength(2);
    expect(within(rows[0]!).getByText('Active')).toBeTruthy();
    expect(within(rows[1]!).getByText('Starting')).toBeTruthy();
    expect(within(rows[1]!).getAllByText('unknown').length).toBeGreaterThan(0);
    expect(container.querySelector('[data-stat="clusters-up"]')?.textContent).toMatch(/1\s*of 2/);
  });

  it('tells a fleet that starts from a failure, and keeps what it knew', async () => {
    const { fleet } = await shown(
      instanceList([instance(0, [0])]),
      new ApiError('starting', 412, 'fleet_unavailable', 5),
      new ApiError('The server cannot be reached.', 0, 'unreachable')
    );
    await fleet.refresh();
    await fleet.refresh();
    const said = (await screen.findAllByRole('status')).map((status) => status.textContent).join();
    expect(said).toContain('Starting up');
    expect(screen.getByRole('rowheader').textContent).toContain('Flare');
    await fleet.refresh();
    expect((await screen.findByRole('alert')).textContent).toContain('cannot be reached');
    expect(screen.getByRole('button', { name: 'Try again' })).toBeTruthy();
  });

  it('has something to say when there are no clusters', async () => {
    const { fleet } = await shown(instanceList([]));
    await fleet.refresh();
    expect(await screen.findByText('No clusters are planned yet.')).toBeTruthy();
  });

  it('never reads names as markup', async () => {
    const list = instanceList([instance(0, [0])]);
    list.Map[0]!.Name = '<img src=x>';
    const { fleet, container } = await shown(list);
    await fleet.refresh();
    expect(await screen.findAllByText('<img src=x>')).toHaveLength(1);
    expect(container.querySelector('img')).toBeNull();
  });
});
