import type { GuildRole, ServerInfo } from '$lib/api/client';

/** Bits of Discord with which somebody can break a server. */
const DANGEROUS = [1, 2, 3, 4, 5, 13, 17, 28, 29, 30, 33, 34, 40].reduce((all, bit) => all | (1n << BigInt(bit)), 0n);
const ADMINISTRATOR = 1n << 3n;

/** What the bot needs to stop somebody and to put back what they broke. */
export const NEEDED = [1, 2, 4, 7, 10, 28, 29] as const;

const bitsOf = ({ permissions }: GuildRole): bigint => (/^\d+$/.test(permissions) ? BigInt(permissions) : 0n);

/** The highest place of the bot's roles. */
function height(info: ServerInfo): number {
  return Math.max(0, ...info.bot_roles.map((id) => info.roles[id]?.position ?? 0));
}

/** Roles with which somebody can do harm, from the top; `above`: the bot cannot touch them. */
export function dangerousRoles(info: ServerInfo): { role: GuildRole; above: boolean }[] {
  const top = height(info);
  const roles = Object.values(info.roles).filter((role) => !info.bot_roles.includes(role.id) && (bitsOf(role) & DANGEROUS) !== 0n);
  return roles.sort((a, b) => b.position - a.position).map((role) => ({ role, above: role.position >= top }));
}

/** Bits that the bot lacks of those it needs. */
export function missingBits(info: ServerInfo): number[] {
  // The role of everybody has the server's own id.
  const roles = Object.values(info.roles).filter((role) => info.bot_roles.includes(role.id) || role.id === role.guild_id);
  const held = roles.reduce((all, role) => all | bitsOf(role), 0n);
  return held & ADMINISTRATOR ? [] : NEEDED.filter((bit) => !(held & (1n << BigInt(bit))));
}
