import { SHORTCODES } from '../markdown/shortcodes';
import type { Emoji } from '../types';

/** How a path names an emoji. */
export const emojiPath = ({ id, name }: Emoji) => (id ? `${name}:${id}` : (name ?? ''));

export interface Offer {
  name: string;
  emoji: Emoji;
}

/** Everything whose name holds `query`: the server's own first, each character once. */
export function offers(own: (Emoji & { name: string })[], query: string): Offer[] {
  const wanted = query.trim().toLowerCase().replaceAll(':', '');
  const drawn = new Map(
    Object.entries(SHORTCODES)
      .filter(([name]) => name.includes(wanted))
      .map(([name, text]) => [text, { name, emoji: { name: text } }])
  );
  const theirs = own
    .filter((emoji) => emoji.name.toLowerCase().includes(wanted))
    .map((emoji) => ({ name: emoji.name, emoji }));
  return [...theirs, ...drawn.values()];
}
