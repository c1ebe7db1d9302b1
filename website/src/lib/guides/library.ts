import { readGuide } from './read';
import type { Guide } from './tree';

/** The order in which they are read; others follow by name. */
const ORDER = ['first-backup', 'operating', 'discord', 'sandbox'];

const files = import.meta.glob<string>('../../../../docs/*.md', { query: '?raw', import: 'default', eager: true });

const place = (name: string) => (ORDER.includes(name) ? ORDER.indexOf(name) : ORDER.length);

/** Every guide of `docs/`. Read while building; none of it is in the site's scripts. */
export const GUIDES: Guide[] = Object.entries(files)
  .map(([path, markdown]) => readGuide(path.replace(/^.*\/|\.md$/g, ''), markdown))
  .sort((a, b) => place(a.name) - place(b.name) || a.name.localeCompare(b.name));
