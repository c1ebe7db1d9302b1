import { describe, expect, it } from 'vitest';
import type { Drill } from '../types';
import { bars, delay, duration, innocents, order, parts, state, type Wishes } from './drill';
import { Locale } from '$lib/i18n/locale.svelte';
import { SANDBOX, type SandboxKey } from '../i18n/locale';

const locale = new Locale<SandboxKey>([SANDBOX], { read: () => null, write: () => undefined });

const drill: Drill = {
  id: 1,
  kind: 'nuke',
  guild_id: '1',
  guild_name: 'Harbour',
  state: 'attacking',
  end: null,
  started_at: '2026-01-01T00:00:00Z',
  attackers: { total: 1, in_guild: 1, active: 1 },
  planned: 60,
  attempted: 12,
  succeeded: 10,
  unheard: 4,
  achieved: { channels_deleted: 10 },
  refused: { '50013': 2, '12345': 1 },
  defended: {},
  undone: { channels_deleted: 0 },
  remains: { channels_deleted: 10 },
  times: {},
  timeline: [
    { at_ms: 0, side: 'attack', what: 'channels_deleted', count: 3 },
    { at_ms: 500, side: 'refused', what: '50013', count: 1 },
    { at_ms: 999, side: 'attack', what: 'channels_deleted', count: 7 },
    { at_ms: 999, side: 'defence', what: 'attackers_banned', count: 1 }
  ],
  acts: [
    { act: 'delete-channel', attempted: 12, succeeded: 10, undone: 0, first_success_ms: 10, first_defence_ms: 999 },
    { act: 'prune', attempted: 1, succeeded: 0, undone: 0, first_success_ms: null, first_defence_ms: null }
  ],
  innocents: { arrived: 0, banned: 2 }
};

const wishes: Wishes = {
  kind: 'raid',
  size: 20,
  wave: 5,
  actors: 3,
  watch: 1.5,
  pace: 'steady',
  style: 'batch',
  manner: 'request',
  acts: ['ban'],
  above: true,
  own: false,
  once: true
};

describe('an order', () => {
  it('holds only what its kind knows', () => {
    const common = { guild_id: '1', size: 20, watch_ms: 1500 };
    expect(order(wishes, '1')).toEqual({ ...common, kind: 'raid', style: 'batch', manner: 'request', wave: 5 });
    expect(order({ ...wishes, kind: 'spam' }, '1')).toEqual({ ...common, kind: 'spam', once: true });
    const nuke = { ...common, kind: 'nuke', actors: 3, acts: ['ban'], above_bot: true };
    expect(order({ ...wishes, kind: 'nuke' }, '1')).toEqual(nuke);
    const leak = { ...common, kind: 'token-leak', acts: ['ban'], own_token: true, pace: 'slow' };
    expect(order({ ...wishes, kind: 'token-leak', own: true, pace: 'slow' }, '1')).toEqual(leak);
    const bare: Wishes = { ...wishes, size: null, wave: null, watch: null };
    expect(JSON.parse(JSON.stringify(order(bare, '1')))).toEqual({
      kind: 'raid',
      guild_id: '1',
      style: 'batch',
      manner: 'request'
    });
  });
});

describe('a report', () => {
  it('tells only what happened', () => {
    expect(parts(drill, locale.t)).toEqual([
      { title: 'Achieved', figures: [{ label: 'channels deleted', count: 10 }] },
      {
        title: 'Refused',
        figures: [
          { label: 'error 12345', count: 1 },
          { label: 'no permission', count: 2 }
        ]
      },
      { title: 'Remains', figures: [{ label: 'channels deleted', count: 10 }] }
    ]);
  });

  it('says how fast each act was answered, and who else was hit', () => {
    expect(drill.acts.map(delay)).toEqual([989, null]);
    expect(innocents(drill)).toEqual([{ label: 'banned', count: 2 }]);
  });

  it('is drawn in bars of equal length', () => {
    expect(bars(drill, 2)).toEqual({
      bars: [
        { attack: 3, refused: 0, defence: 0 },
        { attack: 7, refused: 1, defence: 1 }
      ],
      most: 9,
      lastMs: 999
    });
    expect(bars({ ...drill, timeline: [] }, 1)).toEqual({
      bars: [{ attack: 0, refused: 0, defence: 0 }],
      most: 1,
      lastMs: 0
    });
  });

  it('names states and durations', () => {
    expect(state(drill, locale.t)).toBe('Attacking');
    expect(state({ ...drill, state: 'finished', end: 'attackers_gone' }, locale.t)).toBe('Attackers gone');
    expect([duration(null, locale), duration(0, locale), duration(1240, locale), duration(185_000, locale)]).toEqual(['–', '0.0 s', '1.2 s', '3 min 5 s']);
  });
});
