import { describe, expect, it } from 'vitest';
import { refreshed } from './paging';

const items = (...ids: number[]) => ids.map((id) => ({ id: String(id) }));

describe('a list whose newest page was read again', () => {
  it('keeps its older pages', () => {
    const known = { items: items(9, 8, 7, 6, 5), hasOlder: false };
    expect(refreshed(known, items(10, 9), 2)).toEqual({
      items: items(10, 9, 8, 7, 6, 5),
      hasOlder: false
    });
  });

  it('forgets them when more came than a page holds', () => {
    const known = { items: items(9, 8, 7), hasOlder: false };
    expect(refreshed(known, items(13, 12), 2)).toEqual({ items: items(13, 12), hasOlder: true });
  });

  it('is only the page when it was unknown, or when the page is all there is', () => {
    expect(refreshed(undefined, items(2, 1), 2)).toEqual({ items: items(2, 1), hasOlder: true });
    const known = { items: items(9, 8, 7), hasOlder: true };
    expect(refreshed(known, items(9), 2)).toEqual({ items: items(9), hasOlder: false });
    expect(refreshed({ items: [], hasOlder: false }, items(2, 1), 2).hasOlder).toBe(true);
  });

  it('compares ids as numbers', () => {
    const known = { items: items(1000, 999, 5), hasOlder: true };
    expect(refreshed(known, items(1000, 999), 2).items).toEqual(items(1000, 999, 5));
  });
});
