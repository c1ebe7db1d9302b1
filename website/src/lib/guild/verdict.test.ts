import { describe, expect, it } from 'vitest';
import type { GuildRole, ServerInfo } from '$lib/api/client';
import { dangerousRoles, missingBits } from './rank';
import { seen, sectionOf } from './sections';
import { findingsOf, hiddenCount, verdictOf, type Health, type Overview } from './verdict';

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

describe('the verdict', () => {
  const overview = (state: string) => ({ state }) as Overview;

  it('is what the bot says, while it says so', () => {
    expect(verdictOf(overview('protected'), true)).toBe('protected');
    expect(verdictOf(overview('not_put_back'), true)).toBe('stopped');
  });

  it('is not known when nobody says it any more, but for an attack', () => {
    expect(verdictOf(overview('protected'), false)).toBe('unknown');
    expect(verdictOf(overview('attack_running'), false)).toBe('attack');
    expect(verdictOf(undefined, true)).toBe('unknown');
    expect(verdictOf(overview('something_new'), true)).toBe('unknown');
  });
});

describe('what is wrong', () => {
  it('stands in the order of its harm, what is new to this page first', () => {
    const finding = (code: string, severity: string) => ({ code, severity, text: '' });
    const health = { findings: [finding('a', 'advice'), finding('b', 'bad'), finding('c', 'weak'), finding('d', 'other')] } as unknown as Health;
    expect(findingsOf(health).map(({ code }) => code)).toEqual(['d', 'b', 'c', 'a']);
    expect(findingsOf(null)).toEqual([]);
    expect(hiddenCount({ hidden: [{ channels: ['1', '2'] }, { category: '3', channels: ['4'] }] } as unknown as Health)).toBe(3);
  });
});

describe('roles', () => {
  it('out of the bot’s reach are told apart, from the top', () => {
    const above = info({ admin: role('admin', 7, '8'), chief: role('chief', 9, '4'), plain: role('plain', 8, '1024') });
    expect(dangerousRoles(above).map(({ role, above }) => [role.id, above])).toEqual([
      ['chief', true],
      ['admin', true],
      ['mod', false]
    ]);
  });

  it('of the bot say what it lacks', () => {
    expect(missingBits(info({ bot: role('bot', 5, String((1n << 28n) | 4n)) }))).toEqual([1, 4, 7, 29]);
    expect(missingBits(info())).toEqual([]);
  });
});

describe('sections', () => {
  it('are those that somebody may open, and all of them while nobody knows', () => {
    const paths = (may: (command: string) => boolean | undefined) => seen(may).flatMap(({ sections }) => sections.map(({ path }) => path));
    expect(paths(() => undefined)).toContain('/history');
    expect(paths((command) => command === 'backups list')).toEqual(['', '/backups', '/settings']);
  });

  it('have the pages below them', () => {
    expect(['/dashboard/guilds', '/dashboard/guilds/job', '/dashboard/guilds/incident/'].map(sectionOf)).toEqual(['', '/backups', '/incidents']);
  });
});
