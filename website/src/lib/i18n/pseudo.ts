import type { Message } from './message';

const ACCENTS: Record<string, string> = { a: 'á', e: 'é', i: 'í', o: 'ó', u: 'ú', A: 'Á', E: 'É', I: 'Í', O: 'Ó', U: 'Ú', n: 'ñ', c: 'ç', y: 'ý' };
/** So much longer than English other languages may be. */
const LONGER = 0.4;

function stretched(text: string): string {
  // Places and code stay as they are.
  const parts = text.split(/(\{\w+\}|`[^`]*`)/);
  const accented = parts.map((part, index) => (index % 2 === 1 ? part : part.replace(/[A-Za-z]/g, (letter) => ACCENTS[letter] ?? letter))).join('');
  const more = Math.ceil(text.replace(/\{\w+\}/g, '').length * LONGER);
  return `[${accented}${' ~~~'.repeat(Math.ceil(more / 4)).slice(0, more)}]`;
}

/** Texts as a language might have them that is longer and has accents: what is cut off shows at once. */
export function pseudo<Key extends string>(texts: Record<Key, Message>): Record<Key, Message> {
  const of = (message: Message): Message =>
    typeof message === 'string' ? stretched(message) : (Object.fromEntries(Object.entries(message).map(([form, text]) => [form, stretched(text)])) as Message);
  return Object.fromEntries(Object.entries<Message>(texts).map(([key, message]) => [key, of(message)])) as Record<Key, Message>;
}
