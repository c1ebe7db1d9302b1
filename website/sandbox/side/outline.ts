import { isForum } from '../channels';
import type { Channel } from '../types';

/** A category with what is in it; the first may be without one. */
export interface Section {
  category: Channel | undefined;
  channels: Channel[];
}

const isVoice = (channel: Channel) => channel.type === 2 || channel.type === 13;

/** As clients sort: text before voice, then by position, then by id. */
function order(a: Channel, b: Channel): number {
  return (
    Number(isVoice(a)) - Number(isVoice(b)) || a.position - b.position || (a.id < b.id ? -1 : 1)
  );
}

/** Items by key, in their order. */
export function grouped<Item, Key>(items: Item[], key: (item: Item) => Key): Map<Key, Item[]> {
  const groups = new Map<Key, Item[]>();
  for (const item of items) {
    const group = groups.get(key(item));
    if (group) group.push(item);
    else groups.set(key(item), [item]);
  }
  return groups;
}

/** Channels under their categories, threads under their channels; posts are listed by forums. */
export function outline(channels: Channel[], threads: Channel[], query = ''): Section[] {
  const wanted = query.trim().toLowerCase();
  const fits = (channel: Channel) => channel.name.toLowerCase().includes(wanted);
  const below = grouped(threads, (thread) => thread.parent_id);
  const byParent = grouped(
    channels.filter((channel) => channel.type !== 4),
    (channel) => channel.parent_id
  );
  const categories = channels.filter((channel) => channel.type === 4).sort(order);
  const known = new Set(categories.map((category) => category.id));
  // Whoever does not see a category still sees what is visible in it.
  const loose = [...byParent].filter(([id]) => id === null || !known.has(id)).flatMap(([, c]) => c);

  const section = (category: Channel | undefined, inside: Channel[]): Section => ({
    category,
    channels: inside.sort(order).flatMap((channel) => {
      const posts = isForum(channel) ? [] : (below.get(channel.id) ?? []).filter(fits);
      return fits(channel) || posts.length > 0 ? [channel, ...posts] : [];
    })
  });
  return [
    section(undefined, loose),
    ...categories.map((category) => section(category, byParent.get(category.id) ?? []))
  ].filter((section) => section.channels.length > 0 || (section.category && !wanted));
}
