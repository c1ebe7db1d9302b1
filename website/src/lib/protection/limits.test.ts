import { describe, expect, it } from 'vitest';
import { faultOf, gridOf, isSet, KINDS, kindsByPart, ordersOf } from './limits';

const rows = [
  { limit: 'ban/moderator', minute: 3, hour: 6, day: null },
  { limit: 'ban/bot', minute: null, hour: 9, day: 9 },
  { limit: 'kick/bot', minute: 1, hour: 1, day: 1 }
];

describe('limits', () => {
  it('fill the fields of their kind', () => {
    const grid = gridOf('ban', rows);
    expect([grid.moderator, grid.administrator]).toEqual([
      { minute: '3', hour: '6', day: '' },
      { minute: '', hour: '', day: '' }
    ]);
    expect([isSet(grid), isSet(gridOf('unban', rows))]).toEqual([true, false]);
  });

  it.each([
    [{ minute: '3', hour: '3', day: '' }, null],
    [{ minute: '', hour: '', day: '' }, null],
    [{ minute: '4', hour: '3', day: '' }, 'order'],
    [{ minute: '4', hour: '', day: '3' }, 'order'],
    [{ minute: '0', hour: '', day: '' }, 'number'],
    [{ minute: '1.5', hour: '', day: '' }, 'number']
  ])('%j are judged', (fields, fault) => {
    expect(faultOf(fields)).toBe(fault);
  });

  it('become orders for what is other only', () => {
    const before = gridOf('ban', rows);
    const after = structuredClone(before);
    after.moderator.day = '20';
    after.administrator.minute = '5';
    after.bot = { minute: '', hour: '', day: '' };
    expect(ordersOf('ban', before, after)).toEqual([
      { operation: 'Update', fields: { limit: 'ban/moderator', minute: 3, hour: 6, day: 20 } },
      { operation: 'Create', fields: { limit: 'ban/administrator', minute: 5, hour: null, day: null } },
      { operation: 'Delete', fields: { limit: 'ban/bot' } }
    ]);
    expect(ordersOf('ban', before, before)).toEqual([]);
  });

  it('stand in one group each', () => {
    const all = kindsByPart().flatMap(([, kinds]) => kinds);
    expect(all.toSorted()).toEqual([...KINDS].toSorted());
    expect(all).toContain('channel_remove');
  });
});
