import type { Channel } from './types';

const TEXTUAL = new Set([0, 1, 2, 5, 10, 11, 12, 13]);
export const hasMessages = (channel: Channel) => TEXTUAL.has(channel.type);
export const isForum = (channel: Channel) => channel.type === 15 || channel.type === 16;
export const isThread = (channel: Channel) => channel.type >= 10 && channel.type <= 12;
export const isDirect = (channel: Channel | undefined) => channel?.type === 1;
/** Whether threads can start in it. */
export const holdsThreads = (channel: Channel) => channel.type === 0 || channel.type === 5;

/** Permission bits of Discord, as far as the page offers what they allow. */
export const MAY = {
  kick: 1n << 1n,
  ban: 1n << 2n,
  react: 1n << 6n,
  viewAudit: 1n << 7n,
  send: 1n << 11n,
  manageMessages: 1n << 13n,
  attach: 1n << 15n,
  renameSelf: 1n << 26n,
  rename: 1n << 27n,
  manageRoles: 1n << 28n,
  startThreads: 1n << 35n,
  startPrivateThreads: 1n << 36n,
  timeOut: 1n << 40n,
  pin: 1n << 51n
} as const;

export const ADMINISTRATOR = 1n << 3n;

/** Whether decimal `permissions` hold a bit. What else forbids an act, the sandbox says. */
export function may(permissions: string | undefined, bit: bigint): boolean {
  const bits = BigInt(permissions ?? '0');
  return (bits & (bit | ADMINISTRATOR)) !== 0n;
}

/** Sign before a channel's name. */
export const sign = (channel: Channel) => (isDirect(channel) ? '@' : '#');
