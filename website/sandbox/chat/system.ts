import type { SandboxLocale } from '../i18n/locale';
import type { Message } from '../types';

/** Message types with content of their own; every other one is a notice. */
const SPOKEN = new Set([0, 19, 20, 21, 23]);

export const EPHEMERAL = 1 << 6;
export const LOADING = 1 << 7;

type T = SandboxLocale['t'];

const NOTICES = [3, 4, 6, 7, 8, 12, 18, 24, 36, 37] as const;
/** Boosts that reach a level say what every boost says. */
const BOOSTS = [9, 10, 11];

/** What a notice says after the author's name; `undefined` for ordinary messages. */
export function notice(message: Message, t: T): string | undefined {
  if (!isNotice(message)) return undefined;
  const type = BOOSTS.includes(message.type) ? 8 : message.type;
  const known = NOTICES.find((other) => other === type);
  if (known) return t(`notice.${known}`, { content: message.content });
  return message.content || t('notice.other', { type });
}

const isNotice = (message: Message) => !SPOKEN.has(message.type);

const GROUP_MS = 7 * 60_000;

/** Whether a message stands under the name of the one before. */
export function continues(message: Message, before: Message | undefined): boolean {
  return (
    before !== undefined &&
    before.author.id === message.author.id &&
    message.author.username === before.author.username &&
    message.type === 0 &&
    !isNotice(before) &&
    !message.interaction &&
    (message.flags & EPHEMERAL) === (before.flags & EPHEMERAL) &&
    sameDay(message, before) &&
    Date.parse(message.timestamp) - Date.parse(before.timestamp) < GROUP_MS
  );
}

export function sameDay(a: Message, b: Message | undefined): boolean {
  return b !== undefined && new Date(a.timestamp).toDateString() === new Date(b.timestamp).toDateString();
}

export function size(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB'];
  let value = bytes;
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit += 1) value /= 1024;
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}
