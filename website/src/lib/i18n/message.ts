/** A text, or one per plural category of its language (CLDR). */
export type Message = string | ({ other: string } & Partial<Record<Intl.LDMLPluralRule, string>>);

export type Values = Record<string, string | number>;

const PLACEHOLDER = /\{(\w+)\}/g;

/** Puts values into a message. Numbers are written as the language writes them. */
export function fill(
  message: Message,
  values: Values,
  number: Intl.NumberFormat,
  plural: Intl.PluralRules
): string {
  const text =
    typeof message === 'string'
      ? message
      : (message[plural.select(Number(values.count ?? 0))] ?? message.other);
  return text.replace(PLACEHOLDER, (whole, name: string) => {
    const value = values[name];
    if (value === undefined) return whole;
    return typeof value === 'number' ? number.format(value) : value;
  });
}

/** The names of a message's placeholders, in every form of it. */
export function placeholders(message: Message): Set<string> {
  const texts = typeof message === 'string' ? [message] : Object.values(message);
  return new Set(texts.flatMap((text) => [...text.matchAll(PLACEHOLDER)].map((found) => found[1]!)));
}
