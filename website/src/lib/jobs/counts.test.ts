import { expect, it } from 'vitest';
import { jobCounts } from './counts';

it('gives shares of all jobs', () => {
  const counts = jobCounts({ pending: 0, running: 1, completed: 2, failed: 1 });
  expect(counts.map(({ share }) => share)).toEqual([0, 25, 50, 25]);
});

it('copes with no jobs at all', () => {
  const counts = jobCounts({ pending: 0, running: 0, completed: 0, failed: 0 });
  expect(counts.every(({ share }) => share === 0)).toBe(true);
});
