/** A mention that is being typed. */
export interface Trigger {
  sign: '@' | '#';
  query: string;
  /** Where the sign stands. */
  from: number;
}

/** The mention that `before`, the text up to the caret, ends with. */
export function trigger(before: string): Trigger | undefined {
  const found = /(?:^|\s)([@#])([^\s@#]{0,32})$/u.exec(before);
  if (!found) return undefined;
  const [, sign, query = ''] = found;
  return { sign: sign as '@' | '#', query, from: before.length - query.length - 1 };
}

/** Text as it is sent: names that were chosen become mentions, longer names first. */
export function written(text: string, mentions: ReadonlyMap<string, string>): string {
  const names = [...mentions.keys()].sort((a, b) => b.length - a.length);
  if (names.length === 0) return text;
  const literal = names.map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return text.replace(new RegExp(literal.join('|'), 'gu'), (name) => mentions.get(name) ?? name);
}
