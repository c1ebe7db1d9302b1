import { expect, it } from 'vitest';
import { stepsOf, totalsOf, type Plan } from './plan';

const plan: Plan = {
  kind: 'restore_plan',
  plan_hash: 'ab',
  summary: '',
  counts: { channel: { create: 2, delete: 1, overwrite: 4 }, role: { edit: 3, sort: 1 } },
  not_restored: [],
  effects: [
    { step: '1', operation: { create: { kind: 'channel', subject: { wanted: '7' }, body: { name: 'rules\u202e' } } } },
    { step: '2', operation: { reorder: { kind: 'role', positions: [] } } },
    { step: '3', operation: { edit: { kind: 'role', subject: { live: '8' }, body: { permissions: '8', color: 1 } } } },
    { step: '4', operation: { delete: { kind: 'channel', subject: { live: '9' } } } }
  ]
};

it('shows what is lost first', () => {
  expect(stepsOf(plan)).toEqual([
    { change: 'delete', kind: 'channel', id: '9', name: null, fields: [] },
    { change: 'create', kind: 'channel', id: '7', name: 'rules', fields: [] },
    { change: 'edit', kind: 'role', id: '8', name: null, fields: ['permissions', 'color'] },
    { change: 'sort', kind: 'role', id: null, name: null, fields: [] }
  ]);
});

it('counts what is done to anything', () => {
  expect(totalsOf(plan)).toEqual({ create: 2, edit: 3, delete: 1, other: 5 });
});
