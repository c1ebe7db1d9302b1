import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ApiError } from '$lib/api/client';
import { Poller } from './poller.svelte';

const PERIOD = 5000;

function hide(hidden: boolean) {
  vi.spyOn(document, 'hidden', 'get').mockReturnValue(hidden);
  document.dispatchEvent(new Event('visibilitychange'));
}

describe('Poller', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('asks at once and then every period', async () => {
    const load = vi.fn(async () => load.mock.calls.length);
    const poller = new Poller(load, PERIOD);
    const stop = poller.start();
    await vi.advanceTimersByTimeAsync(0);
    expect(poller.value).toBe(1);
    await vi.advanceTimersByTimeAsync(PERIOD);
    expect(poller.value).toBe(2);
    stop();
    await vi.advanceTimersByTimeAsync(10 * PERIOD);
    expect(load).toHaveBeenCalledTimes(2);
  });

  it('rests while the page is hidden and catches up when it is shown', async () => {
    const load = vi.fn(async () => 'x');
    const poller = new Poller(load, PERIOD);
    const stop = poller.start();
    await vi.advanceTimersByTimeAsync(0);
    hide(true);
    await vi.advanceTimersByTimeAsync(10 * PERIOD);
    expect(load).toHaveBeenCalledTimes(1);
    hide(false);
    await vi.advanceTimersByTimeAsync(0);
    expect(load).toHaveBeenCalledTimes(2);
    stop();
  });

  it('keeps the last value beside an error and waits as long as asked', async () => {
    const load = vi
      .fn<() => Promise<string>>()
      .mockResolvedValueOnce('old')
      .mockRejectedValueOnce(new ApiError('starting', 412, 'fleet_unavailable', 20))
      .mockResolvedValue('new');
    const poller = new Poller(load, PERIOD);
    const stop = poller.start();
    await vi.advanceTimersByTimeAsync(PERIOD);
    expect(poller).toMatchObject({ value: 'old', error: { status: 412 } });
    await vi.advanceTimersByTimeAsync(19_000);
    expect(load).toHaveBeenCalledTimes(2);
    await vi.advanceTimersByTimeAsync(1000);
    expect(poller.value).toBe('new');
    expect(poller.error).toBeUndefined();
    stop();
  });

  it('ignores the answer of an attempt that was given up', async () => {
    const answers: ((value: string) => void)[] = [];
    const poller = new Poller(() => new Promise<string>((resolve) => answers.push(resolve)), PERIOD);
    void poller.refresh();
    void poller.refresh();
    answers[1]?.('second');
    await vi.advanceTimersByTimeAsync(0);
    answers[0]?.('first');
    await vi.advanceTimersByTimeAsync(0);
    expect(poller.value).toBe('second');
  });
});
