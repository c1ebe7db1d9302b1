import { describe, expect, it } from 'vitest';
import { follow, stale, type Part } from './live';
import type { Entry } from './types';

const request = (method: string, path: string, status = 200): Entry => ({
  seq: 1,
  kind: 'request',
  method,
  path,
  status
});

describe('stale', () => {
  it.each<[Entry, Part[]]>([
    [request('POST', '/channels/1/messages'), ['messages', 'audit', 'dms']],
    [request('POST', '/users/@me/channels'), ['dms']],
    [request('POST', '/interactions/1/x/callback', 204), ['messages']],
    [request('PATCH', '/webhooks/1/x/messages/@original'), ['messages', 'audit']],
    [request('PUT', '/guilds/1/bans/2', 204), ['messages', 'place', 'members', 'audit']],
    [request('PUT', '/applications/1/commands'), ['commands', 'audit']],
    [request('GET', '/guilds/1'), []],
    [request('PUT', '/guilds/1/bans/2', 403), []],
    [request('POST', '/channels/1/typing', 204), []],
    [request('POST', '/api/v10/channels/1/messages'), ['messages', 'audit', 'dms']],
    [{ seq: 1, kind: 'control', act: 'join' }, ['place', 'members', 'audit', 'commands']],
    [{ seq: 1, kind: 'control', act: 'say' }, []],
    [{ seq: 1, kind: 'control', act: 'clock' }, ['clock']],
    [{ seq: 1, kind: 'frame' }, []]
  ])('%o', (entry, parts) => expect(stale(entry)).toEqual(parts));
});

/** Runs `follow` over prepared answers until they are used up. */
async function followed(answers: (Entry[] | Error)[], journal: number[]) {
  const seen: string[] = [];
  const stop = new AbortController();
  await follow(
    {
      journal: async (since) => {
        const answer = answers.shift();
        if (answer === undefined) {
          stop.abort();
          throw new Error('stopped');
        }
        seen.push(`since ${since}`);
        if (answer instanceof Error) throw answer;
        return answer;
      },
      overview: async () => ({ journal: journal.shift() ?? 0 })
    },
    10,
    {
      onstale: (parts) => seen.push([...parts].join(' ')),
      onreplaced: () => seen.push('replaced'),
      ontrouble: (cause) => seen.push(cause instanceof Error ? cause.message : 'well again')
    },
    stop.signal
  );
  return seen;
}

describe('follow', () => {
  it('goes on after the last entry', async () => {
    const said = { ...request('POST', '/channels/1/messages'), seq: 12 };
    expect(await followed([[said], []], [12])).toEqual(['since 10', 'messages audit dms', 'since 12']);
  });

  it('notices another world', async () => {
    expect(await followed([[], []], [3, 3])).toEqual(['since 10', 'replaced', 'since 3']);
  });

  it('looks at everything again after a break', async () => {
    const seen = await followed([new Error('gone'), []], [10]);
    expect(seen.slice(0, 3)).toEqual(['since 10', 'gone', 'since 10']);
    expect(seen[3]).toBe('well again');
    expect(seen[4]).toContain('messages place members audit');
  });

  it('does not count a flood', async () => {
    const flood = Array.from({ length: 500 }, (_, n) => ({ ...request('GET', '/x'), seq: 11 + n }));
    const seen = await followed([flood, []], [90_000, 90_000]);
    expect(seen[1]).toContain('messages place');
    expect(seen[2]).toBe('since 90000');
  });
});
