import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { CanonicalModule } from '$lib/api/client';
import { Locale } from '$lib/i18n/locale.svelte';
import { SITE, type SiteKey } from '$lib/i18n/site/locale';
import { whoPasses } from './checks';
import { groups } from './commands';
import { PERMISSIONS, permissionNames } from './discord';

const locale = new Locale<SiteKey>([SITE], { read: () => null, write: () => undefined });

describe('who passes', () => {
  const native = (...bits: string[]) => ({ native_perms: bits });
  const ours = (...names: string[]) => ({ kittycat_perms: names });

  it.each([
    [{ checks: [] }, 'Everybody'],
    [{}, 'Everybody'],
    [{ checks: [native('8'), {}] }, 'Everybody'],
    [{ checks: [native('8')] }, 'Administrator in Discord'],
    [
      { checks: [{ ...native('8'), ...ours('server_backups.create') }] },
      'Administrator in Discord or the right “server_backups.create” in AntiRaid'
    ],
    [
      { checks: [{ ...native('32'), ...ours('a.b'), inner_and: true }] },
      'Manage Server in Discord and the right “a.b” in AntiRaid'
    ],
    [
      { Simple: { checks: [{ ...native('4'), outer_and: true }, ours('a.b'), native('8')] } },
      'Ban Members in Discord and the right “a.b” in AntiRaid or Administrator in Discord'
    ],
    [{ Template: { template: 'gate' } }, 'A template of the server decides.']
  ])('%j: %s', (checks, words) => {
    expect(whoPasses(checks, locale)).toBe(words);
  });
});

describe('permissions of Discord', () => {
  it('are named beyond 32 and 53 bits', () => {
    const unknown = (bit: number) => `bit ${bit}`;
    expect(permissionNames((1n << 40n) | (1n << 52n) | (1n << 60n), unknown)).toEqual(['Timeout Members', 'Bypass Slow Mode', 'bit 60']);
    expect(permissionNames(0n, unknown)).toEqual([]);
  });

  it('have the names that the checks of the bot have', () => {
    const rows = readFileSync('../crates/permissions/src/native.rs', 'utf8').matchAll(/\((\d+), "([^"]+)"\)/g);
    expect(Object.fromEntries([...rows].map(([, bit, name]) => [bit, name]))).toEqual(PERMISSIONS);
  });
});

describe('commands', () => {
  const data = (qualified_name: string, changes = {}) => ({
    name: qualified_name.split(' ').at(-1)!,
    qualified_name,
    description: `does ${qualified_name}`,
    nsfw: false,
    subcommands: [],
    subcommand_required: false,
    arguments: [],
    ...changes
  });
  const module = (commands: CanonicalModule['commands'], changes = {}): CanonicalModule => ({ id: 'm', name: 'M', commands, ...changes });
  const backups = {
    command: data('backups', {
      subcommand_required: true,
      subcommands: [data('backups create'), data('backups list'), data('backups hidden')]
    }),
    extended_data: {
      '': { default_perms: { checks: [] } },
      create: { default_perms: { checks: [{ native_perms: ['8'] }] }, is_default_enabled: false },
      hidden: { default_perms: {}, web_hidden: true }
    }
    // The document calls the checks an object without saying of what.
  } as unknown as CanonicalModule['commands'][number];

  it('are those that can be typed, with what their own path says', () => {
    const [group] = groups([module([backups])]);
    expect(group!.commands.map(({ name, enabled }) => [name, enabled])).toEqual([
      ['backups create', false],
      ['backups list', true]
    ]);
    expect(group!.commands[0]!.checks).toEqual({ checks: [{ native_perms: ['8'] }] });
  });

  it('are found by name and description, and hidden modules never', () => {
    expect(groups([module([backups])], '/BACKUPS LIST')[0]!.commands).toHaveLength(1);
    expect(groups([module([backups])], 'nuke')).toEqual([]);
    expect(groups([module([backups], { web_hidden: true }), module([backups], { virtual_module: true })])).toEqual([]);
  });
});
