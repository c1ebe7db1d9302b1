import { GUIDES } from '$lib/guides/library';
import type { LayoutServerLoad } from './$types';

/** Read while building: the files of `docs/`. */
export const load: LayoutServerLoad = () => ({
  guides: GUIDES.map(({ name, title, sections }) => ({ name, title, sections }))
});
