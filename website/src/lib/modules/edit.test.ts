import { expect, it } from 'vitest';
import { checksOf, rulesOf } from './edit';

it('takes sums of bits apart and puts rules together again', () => {
  const rules = rulesOf({ checks: [{ native_perms: ['40'], kittycat_perms: ['a.b'], outer_and: true }, { native_perms: [String(1n << 52n)], inner_and: true }] });
  expect(rules).toEqual([
    { ours: ['a.b'], discord: ['8', '32'], all: false, and: true },
    { ours: [], discord: ['4503599627370496'], all: true, and: false }
  ]);
  expect(checksOf(rules).Simple?.checks[0]).toEqual({ kittycat_perms: ['a.b'], native_perms: ['8', '32'], inner_and: false, outer_and: true });
});

it('binds the last rule to nothing', () => {
  expect(checksOf([{ ours: [], discord: ['8'], all: false, and: true }]).Simple?.checks[0]?.outer_and).toBe(false);
});
