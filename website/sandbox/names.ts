import { createContext } from 'svelte';
import type { Member, User } from './types';

/** What names stand behind ids, as the acting user sees them. */
export interface Names {
  cdn: string;
  user: (id: string) => string | undefined;
  role: (id: string) => { name: string; color: number } | undefined;
  channel: (id: string) => { name: string; type: number } | undefined;
  /** Opens a channel that is mentioned. */
  open: (channel: string) => void;
  /** Sandbox time in milliseconds; a component that reads it follows it. */
  now: () => number;
}

export const [names, provideNames] = createContext<Names>();

export const shownName = (user: User) => user.global_name ?? user.username;

export const memberName = (member: Member) => member.nick ?? shownName(member.user);

/** Address of a user's picture; of everyone else's drawn one when it has none. */
export function avatar(cdn: string, user: User): string {
  if (user.avatar) return `${cdn}/avatars/${user.id}/${user.avatar}.png?size=64`;
  return `${cdn}/embed/avatars/${Number((BigInt(user.id) >> 22n) % 6n)}.png`;
}

export function color(value: number | undefined | null): string | undefined {
  return value ? `#${value.toString(16).padStart(6, '0')}` : undefined;
}
