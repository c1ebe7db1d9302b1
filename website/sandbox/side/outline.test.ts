import { expect, it } from 'vitest';
import answers from '../answers.json';
import type { Channel, Place } from '../types';
import { outline } from './outline';

const place: Place = answers.guild;
const show = (query?: string) =>
  outline(place.channels, place.threads, query).map(
    ({ category, channels }) => `${category?.name ?? ''}: ${channels.map((c) => c.name).join(', ')}`
  );

it('puts channels under categories, threads under channels and voice last', () => {
  expect(show()).toEqual([
    'Talk: general, Trip planning, archive, media, help, Lounge, Stage',
    'Information: rules, announcements',
    'Staff: staff, vault'
  ]);
});

it('finds channels and threads', () => {
  expect(show('TRIP')).toEqual(['Talk: general, Trip planning']);
  expect(show('nothing')).toEqual([]);
});

it('shows what is visible in a category that is not', () => {
  const orphan: Channel = { ...place.channels[0]!, id: '1', type: 0, name: 'orphan', parent_id: '404' };
  expect(outline([orphan], [])[0]?.channels.map((c) => c.name)).toEqual(['orphan']);
});
