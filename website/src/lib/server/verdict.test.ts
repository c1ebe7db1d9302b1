import { describe, expect, it } from 'vitest';
import type { GuildRole, ServerInfo } from '$lib/api/client';
import { dangerousRoles, missingBits } from './rank';
import { gapsOf, verdictOf, type Facts } from './verdict';

const NOW = Date.parse('2026-01-08T00:00:00Z');
const role = (id: string, position: number, permissions: string) =>
  ({ id, guild_id: '1', name: id, position, permissions, color: 0, tags: {} }) as GuildRole;

const info = (changes: Partial<Record<string, GuildRole>> = {}): ServerInfo =>
  ({
    owner_id: '9',
    name: 'Harbour',
    roles: { 1: role('1', 0, '1024'), bot: role('bot', 5, '8'), mod: role('mod', 3, '4'), ...changes },
    user_roles: [],
    bot_roles: ['bot']
  }) as ServerInfo;

const idAt = (time: number) => String((BigInt(time) - 1_420_070_400_000n) << 22n);
const incident = (state: string, at = NOW - 60_000) => ({ id: idAt(at), kind: 'actor', mode: 'on', state, updated_at: '' });

const fine: Facts = {
  incidents: [],
  policy: { mode: 'on', alert_channel: '7' },
  shard: { shard_id: 0, up: true },
  info: info(),
  backup: new Date(NOW - 3_600_000)
};

describe('the verdict', () => {
  it.each([
    [{}, 'protected'],
    [{ incidents: [incident('containing')] }, 'attack'],
    [{ incidents: [incident('contained')] }, 'stopped'],
    [{ incidents: [incident('contained', NOW - 2 * 86_400_000)] }, 'protected'],
    [{ policy: { mode: 'off', alert_channel: null } }, 'off'],
    [{ policy: { mode: 'dry_run', alert_channel: '7' } }, 'watching'],
    [{ policy: null }, 'unknown'],
    [{ shard: { shard_id: 0, up: null } }, 'unknown'],
    [{ shard: undefined }, 'unknown'],
    [{ incidents: undefined }, 'unknown'],
    [{ backup: null }, 'gaps'],
    [{ policy: { mode: 'on', alert_channel: null } }, 'gaps']
  ] satisfies [Partial<Facts>, string][])('with %j is %s', (changes, verdict) => {
    expect(verdictOf({ ...fine, ...changes }, NOW)).toBe(verdict);
  });
});

describe('gaps', () => {
  it('are roles that the bot cannot reach, from the top, and permissions that it lacks', () => {
    const above = info({ admin: role('admin', 7, '8'), chief: role('chief', 9, '4'), plain: role('plain', 8, '1024') });
    expect(dangerousRoles(above).map(({ role, above }) => [role.id, above])).toEqual([
      ['chief', true],
      ['admin', true],
      ['mod', false]
    ]);
    expect(gapsOf({ ...fine, info: above }, NOW)).toEqual([{ gap: 'above', roles: ['chief', 'admin'] }]);
    expect(missingBits(info({ bot: role('bot', 5, String((1n << 28n) | 4n)) }))).toEqual([1, 4, 7, 29]);
    expect(missingBits(info())).toEqual([]);
  });

  it('are no gaps while nothing is known', () => {
    expect(gapsOf({}, NOW)).toEqual([]);
  });
});
