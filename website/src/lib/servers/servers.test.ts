import { expect, it } from 'vitest';
import { inviteLink, serversOf, shownServers } from './servers';

const guild = (id: string, name: string, changes = {}) => ({ id, name, avatar: '', permissions: '0', owner: false, ...changes });
const list = {
  guilds: [
    guild('1', 'Zebra'),
    guild('2', 'Anchor', { permissions: '32' }),
    guild('3', 'Boat'),
    guild('4', 'Cave', { owner: true }),
    guild('5', 'Dune'),
    guild('6', 'Elm', { permissions: '18446744073709551615' })
  ],
  has_bot: ['1', '3'],
  unknown_guilds: ['5']
};
const servers = serversOf(list, new Intl.Collator('en'));
const names = (shown: typeof servers) => shown.map((server) => server.name);

it('puts servers with the bot first, then those of which nobody knows', () => {
  expect(names(servers)).toEqual(['Boat', 'Zebra', 'Dune', 'Anchor', 'Cave', 'Elm']);
  expect(servers.map((server) => server.mayAdd)).toEqual([false, false, false, true, true, true]);
});

it('shows what can be opened or added, and everything to who searches', () => {
  const more = serversOf({ ...list, guilds: [...list.guilds, guild('7', 'Anthill')] }, new Intl.Collator('en'));
  expect(names(shownServers(more, ''))).not.toContain('Anthill');
  expect(names(shownServers(more, ' an'))).toEqual(['Anchor', 'Anthill']);
  expect(names(shownServers(more, '7'))).toEqual(['Anthill']);
});

it('invites with what the bot needs, to the server that was chosen', () => {
  const link = new URL(inviteLink('https://discord.test/oauth2/authorize', '42', '2'));
  expect(Object.fromEntries(link.searchParams)).toEqual({
    client_id: '42',
    scope: 'bot applications.commands',
    permissions: '1512634182902',
    guild_id: '2'
  });
});
