import { expect, it } from 'vitest';
import { emojiPath, offers } from './emoji';

const anchor = { id: '5', name: 'Anchor', animated: false };

it('names emoji as paths do', () => {
  expect(emojiPath(anchor)).toBe('Anchor:5');
  expect(emojiPath({ name: '🎉' })).toBe('🎉');
});

it('offers the own emoji of a server first, and each character once', () => {
  const all = offers([anchor], '');
  expect(all[0]?.emoji).toBe(anchor);
  const characters = all.slice(1).map(({ emoji }) => emoji.name);
  expect(new Set(characters).size).toBe(characters.length);
});

it('finds by part of a name, with colons or without', () => {
  expect(offers([anchor], 'ANCH').map(({ name }) => name)).toEqual(['Anchor']);
  expect(offers([anchor], ':tada:').map(({ emoji }) => emoji.name)).toEqual(['🎉']);
  expect(offers([anchor], 'no such emoji')).toEqual([]);
});
