import type { UserGuild, UserGuilds } from '$lib/api/client';

export interface Server {
  id: string;
  name: string;
  /** `unknown`: the part of the bot that would know does not run. */
  bot: 'there' | 'absent' | 'unknown';
  /** Whether this person may add the bot. */
  mayAdd: boolean;
}

const ADMINISTRATOR = 1n << 3n;
const MANAGE_SERVER = 1n << 5n;

/** Those with the bot first, then by name. */
export function serversOf(list: UserGuilds, collator: Intl.Collator): Server[] {
  const [there, unknown] = [new Set(list.has_bot), new Set(list.unknown_guilds)];
  const servers = list.guilds.map((guild) => ({
    id: guild.id,
    name: guild.name,
    bot: there.has(guild.id) ? ('there' as const) : unknown.has(guild.id) ? ('unknown' as const) : ('absent' as const),
    mayAdd: mayAdd(guild)
  }));
  return servers.sort((a, b) => RANK[a.bot] - RANK[b.bot] || collator.compare(a.name, b.name));
}

const RANK = { there: 0, unknown: 1, absent: 2 };

function mayAdd({ owner, permissions }: UserGuild): boolean {
  if (owner) return true;
  // Not a number when the server is newer than this page.
  return /^\d+$/.test(permissions) && (BigInt(permissions) & (ADMINISTRATOR | MANAGE_SERVER)) !== 0n;
}

/** Without words those that somebody can do something with, else all that match. */
export function shownServers(servers: Server[], search: string): Server[] {
  const words = search.trim().toLocaleLowerCase();
  if (!words) return servers.filter((server) => server.bot !== 'absent' || server.mayAdd);
  return servers.filter((server) => server.name.toLocaleLowerCase().includes(words) || server.id === words);
}

/** Discord's page on which the bot is added to a server; without one it asks which. */
export function inviteLink(authorize: string, client: string, server?: string): string {
  const link = new URL(authorize);
  const query = { client_id: client, scope: 'bot applications.commands', permissions: '1512634182902', ...(server ? { guild_id: server } : {}) };
  for (const [name, value] of Object.entries(query)) link.searchParams.set(name, value);
  return link.href;
}
