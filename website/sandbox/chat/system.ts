import type { Message } from '../types';

/** Message types with content of their own; every other one is a notice. */
const SPOKEN = new Set([0, 19, 20, 21, 23]);

export const EPHEMERAL = 1 << 6;
export const LOADING = 1 << 7;

/** What a notice says after the author's name; `undefined` for ordinary messages. */
export function notice(message: Message): string | undefined {
  if (SPOKEN.has(message.type)) return undefined;
  switch (message.type) {
    case 3:
      return 'started a call.';
    case 4:
      return `changed the channel name to ${message.content}.`;
    case 6:
      return 'pinned a message to this channel.';
    case 7:
      return 'joined the server.';
    case 8:
    case 9:
    case 10:
    case 11:
      return 'boosted the server.';
    case 12:
      return `added ${message.content} to this channel.`;
    case 18:
      return `started a thread: ${message.content}`;
    case 24:
      return 'was stopped by AutoMod.';
    case 36:
      return 'paused invites and messages to newcomers.';
    case 37:
      return 'lifted the pause.';
    default:
      return message.content || `sent a notice of type ${message.type}.`;
  }
}

const GROUP_MS = 7 * 60_000;

/** Whether a message stands under the name of the one before. */
export function continues(message: Message, before: Message | undefined): boolean {
  return (
    before !== undefined &&
    before.author.id === message.author.id &&
    message.author.username === before.author.username &&
    message.type === 0 &&
    notice(before) === undefined &&
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
