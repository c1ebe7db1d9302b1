interface Item {
  id: string;
}

/** As much of a list, newest first, as was read. */
export interface Pages<T> {
  items: T[];
  hasOlder: boolean;
}

/**
 * A list after its first page was read again: what was loaded of older ones stays, unless
 * something between was never read. A page of fewer than `full` is all there is.
 */
export function refreshed<T extends Item>(
  known: Pages<T> | undefined,
  page: T[],
  full: number
): Pages<T> {
  if (page.length < full) return { items: page, hasOlder: false };
  const [newest, last] = [known?.items[0], page.at(-1)];
  if (!known || !newest || !last || BigInt(last.id) > BigInt(newest.id)) {
    return { items: page, hasOlder: true };
  }
  const older = known.items.filter((item) => BigInt(item.id) < BigInt(last.id));
  return { items: [...page, ...older], hasOlder: known.hasOlder };
}
