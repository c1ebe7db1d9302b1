import { describe, expect, it } from 'vitest';
import { attack } from './samples';
import { damageOf, kindsOf, nameOfAct, powerlessAt, progressOf, timelineOf, urgent } from './incident';
import { timeOf, visibleName } from '$lib/guild/names';

describe('an incident', () => {
  it('is grouped into equal acts in a row, theirs before ours at the same moment', () => {
    const entries = timelineOf(attack);
    expect(entries.map((entry) => (entry.whose === 'theirs' ? `${entry.kind} x${entry.acts.length}` : entry.what))).toEqual([
      'channel_remove x3',
      'decided',
      'role_remove x1',
      'call',
      'alerted'
    ]);
  });

  it('names what can be put back by part, and leaves out what cannot', () => {
    expect(damageOf(attack).map(({ part, acts }) => [part, acts.length])).toEqual([
      ['channels', 3],
      ['roles', 1]
    ]);
    expect(damageOf({ ...attack, acts: [{ ...attack.acts[0]!, kind: 'kick' }] })).toEqual([]);
  });

  it('counts what was done, the most first', () => {
    expect(kindsOf(attack.acts)).toEqual([
      { kind: 'channel_remove', count: 3 },
      { kind: 'role_remove', count: 1 }
    ]);
  });

  it('is over only when everybody is held', () => {
    const [suspect] = attack.suspects;
    expect(powerlessAt(attack)).toBe(suspect!.contained);
    expect(powerlessAt({ ...attack, suspects: [suspect!, { ...suspect!, contained: null }] })).toBeNull();
    expect(powerlessAt({ ...attack, suspects: [] })).toBeNull();
  });

  it('knows a name from before, from the entry, or not', () => {
    expect(attack.acts.map(nameOfAct)).toEqual(['rules', 'general', null, 'Helper']);
  });
});

describe('states', () => {
  it('become words, and new ones none', () => {
    expect(progressOf({ state: 'open', mode: 'on' })).toBe('running');
    expect(progressOf({ state: 'open', mode: 'dry_run' })).toBe('watched');
    expect(progressOf({ state: 'pending_review', mode: 'on' })).toBeNull();
  });

  it('are urgent while they run, and for a day afterwards', () => {
    const at = (hours: number) => String(BigInt(hours * 3_600_000) << 22n);
    const now = timeOf(at(100)).getTime();
    const incident = (hours: number, state: string) => ({ id: at(hours), kind: 'actor', mode: 'on', state, updated_at: '' });
    expect(urgent([incident(99, 'closed'), incident(98, 'contained')], now).recent?.id).toBe(at(98));
    expect(urgent([incident(10, 'contained')], now)).toEqual({ running: undefined, recent: undefined });
    expect(urgent([incident(10, 'containing')], now).running?.id).toBe(at(10));
  });
});

describe('names', () => {
  it('lose what turns or hides text, and what nobody could see is none', () => {
    expect(visibleName('a\u202eb\u0000c')).toBe('abc');
    expect(visibleName('\u200b \u2066')).toBeNull();
    expect(visibleName('___hidden___')).toBeNull();
    expect(visibleName('شاطئ')).toBe('شاطئ');
  });
});
