import { error } from '@sveltejs/kit';
import { GUIDES } from '$lib/guides/library';
import type { EntryGenerator, PageServerLoad } from './$types';

export const entries: EntryGenerator = () => GUIDES.map(({ name }) => ({ name }));

export const load: PageServerLoad = ({ params }) => {
  const guide = GUIDES.find(({ name }) => name === params.name);
  if (!guide) error(404);
  return { guide };
};
