import { expect, it } from 'vitest';
import answers from '../answers.json';
import { line } from './audit';
import { Locale } from '$lib/i18n/locale.svelte';
import { SANDBOX, type SandboxKey } from '../i18n/locale';

const { t } = new Locale<SandboxKey>([SANDBOX], { read: () => null, write: () => undefined });

it('says who did what to whom', () => {
  const { entries, names } = answers.audit;
  expect(line(entries[0]!, names, t)).toEqual({
    text: '{who} banned {target}',
    who: 'Adam',
    target: 'Sam',
    changes: []
  });
});

it('shows changes, and names that are gone', () => {
  const entry = {
    id: '1',
    action_type: 12,
    user_id: '7',
    target_id: '5',
    changes: [
      { key: 'name', old_value: 'general' },
      { key: 'rate_limit_per_user', old_value: 0, new_value: 5 },
      ...['a', 'b', 'c'].map((key) => ({ key, new_value: 'x'.repeat(90) }))
    ]
  };
  const said = line(entry, {}, t);
  expect([said.who, said.text, said.target]).toEqual(['7', '{who} deleted channel {target}', 'general']);
  expect(said.changes[1]).toBe('rate limit per user: 0 → 5');
  expect(said.changes[2]?.length).toBeLessThan(70);
  expect(said.changes.at(-1)).toBe('and 1 more');
});

it('names roles that were given and taken', () => {
  const entry = {
    id: '1',
    action_type: 25,
    user_id: '7',
    target_id: '8',
    changes: [{ key: '$add', new_value: [{ id: '9', name: 'Manager' }] }]
  };
  expect(line(entry, { '8': 'Sam' }, t).changes).toEqual(['gave Manager']);
});
