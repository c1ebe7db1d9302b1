import { expect, it } from 'vitest';
import { relative } from './relative';

it('names the largest unit that fits', () => {
  const now = Date.parse('2026-01-02T00:00:00Z');
  const ago = (seconds: number) => relative(new Date(now - seconds * 1000), now);
  expect(ago(0)).toBe('just now');
  expect(ago(-30)).toBe('just now');
  expect(ago(12)).toBe('12 sec. ago');
  expect(ago(119)).toBe('1 min. ago');
  expect(ago(7200)).toBe('2 hr. ago');
  expect(ago(86_400)).toBe('yesterday');
});
