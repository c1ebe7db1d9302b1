import { describe, expect, it, vi } from 'vitest';
import { ApiError } from '$lib/api/client';
import { follow, type StreamState } from './follow';
import { readEvents, type StreamedEvent } from './sse';

function stream(...chunks: string[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(new TextEncoder().encode(chunk));
      controller.close();
    }
  });
}

async function all(...chunks: string[]) {
  const events: StreamedEvent[] = [];
  for await (const event of readEvents(stream(...chunks))) events.push(event);
  return events;
}

describe('events of a stream', () => {
  it('are read however they are cut', async () => {
    const whole = 'event: job\ndata: {"a":1}\nid: 7\n\n: still there\n\ndata:x\r\ndata: y\r\n\r\n';
    const expected = [
      { event: 'job', id: '7', data: '{"a":1}' },
      { event: 'message', id: '7', data: 'x\ny' }
    ];
    expect(await all(whole)).toEqual(expected);
    expect(await all(...whole)).toEqual(expected);
  });

  it('that are not whole are none', async () => {
    expect(await all('event: job\ndata: 1\n')).toEqual([]);
    expect(await all('event: ping\n\n')).toEqual([]);
  });
});

describe('following', () => {
  it('goes on behind the last event after a break, and says how it is', async () => {
    vi.useFakeTimers();
    const asked: (string | null)[] = [];
    const states: StreamState[] = [];
    const heard: string[] = [];
    const answers = [
      async () => stream('data: a\nid: 1\n\n'),
      async () => Promise.reject(ApiError.ours('error.unreachable', 0, 'unreachable')),
      async () => stream('data: b\nid: 2\n\n')
    ];
    const done = follow({
      open: (last) => (asked.push(last), answers[asked.length - 1]!()),
      hear: ({ data }) => (heard.push(data), data === 'b' ? 'end' : undefined),
      state: (state) => states.push(state),
      signal: new AbortController().signal
    });
    await vi.runAllTimersAsync();
    await done;
    vi.useRealTimers();
    expect([asked, heard, states]).toEqual([[null, '1', '1'], ['a', 'b'], ['live', 'lost', 'live']]);
  });

  it('gives up where nothing can be heard', async () => {
    const states: StreamState[] = [];
    const open = vi.fn(async () => Promise.reject(new ApiError('no', 403, 'forbidden')));
    await follow({ open, hear: () => {}, state: (state) => states.push(state), signal: new AbortController().signal });
    expect([open.mock.calls.length, states]).toEqual([1, ['refused']]);
  });
});
