import type { Incident } from './incident';

const MARA = '1100000000000000012';
const START = 370_000_000_000;

/** Somebody deletes three channels and a role, and loses their roles meanwhile; for tests. */
export const attack: Incident = {
  suspects: [{ id: MARA, bot: false, column: 'moderator', contained: START + 1100, unreachable: false }],
  rules: [{ rule: 'limit', kind: 'channel_remove', span: 'minute', count: 60, limit: 40, together: false }],
  acts: [
    { actor: MARA, kind: 'channel_remove', target: '1', entry: null, at: START, before: ['channel', { name: 'rules' }] },
    { actor: MARA, kind: 'channel_remove', target: '2', entry: { changes: [{ key: 'name', old_value: 'general' }] }, at: START + 300, before: null },
    { actor: MARA, kind: 'channel_remove', target: '3', entry: null, at: START + 900, before: ['channel', { name: '___hidden___' }] },
    { actor: MARA, kind: 'role_remove', target: '4', entry: null, at: START + 1000, before: ['role', { name: 'Helper' }] }
  ],
  acts_in_all: 4,
  calls: [
    {
      call: { key: { actor: MARA, rung: 'take_roles', subject: MARA }, reason: 'more than 2 channels in a minute' },
      timing: { sent: START + 1010, answered: START + 1100 },
      outcome: 'done',
      returned: false
    }
  ],
  panic: false,
  losses: ['messages'],
  times: { act: START + 900, received: START + 990, decided: START + 994, sent: START + 1010, acknowledged: START + 1100, alerted: START + 1300 }
};
