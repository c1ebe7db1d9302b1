import type { ServerKey } from '$lib/i18n/server/locale';
import type { IconName } from '$lib/ui/Icon.svelte';

export interface Section {
  /** Behind `/dashboard/guilds`. */
  path: string;
  text: ServerKey;
  icon: IconName;
  /** Commands of the bot; who may run none of them does not see the entry. Empty: everybody does. */
  needs: readonly string[];
  /** In the bar at the bottom of a narrow screen. */
  first?: boolean;
}

export interface Group {
  text: ServerKey | null;
  sections: readonly Section[];
}

export const GROUPS: readonly Group[] = [
  {
    text: null,
    sections: [
      { path: '', text: 'section.overview', icon: 'home', needs: [], first: true },
      { path: '/incidents', text: 'section.incidents', icon: 'pulse', needs: ['incidents list'], first: true }
    ]
  },
  {
    text: 'group.protect',
    sections: [
      { path: '/protection', text: 'section.protection', icon: 'shield', needs: ['protection_policy view'] },
      { path: '/approvals', text: 'section.approvals', icon: 'people', needs: ['guarded pending'] }
    ]
  },
  { text: 'group.recover', sections: [{ path: '/backups', text: 'section.backups', icon: 'archive', needs: ['backups list'], first: true }] },
  {
    text: 'group.setup',
    sections: [
      { path: '/modules', text: 'section.modules', icon: 'grid', needs: ['module_configuration view'] },
      { path: '/commands', text: 'section.commands', icon: 'terminal', needs: ['command_configuration view'] },
      { path: '/settings', text: 'section.settings', icon: 'sliders', needs: [] },
      { path: '/members', text: 'section.members', icon: 'person', needs: ['guild_roles view', 'guild_members view'] },
      { path: '/history', text: 'section.history', icon: 'clock', needs: ['perms history'] }
    ]
  }
];

/** Pages that belong to an entry without having one. */
const BELONGS: Record<string, string> = { '/incident': '/incidents', '/job': '/backups', '/restore': '/backups', '/webhooks': '/settings', '/setup': '' };

/** What the pages want to know of this person. */
export const RIGHTS: ReadonlySet<string> = new Set([
  ...GROUPS.flatMap((group) => group.sections.flatMap((section) => section.needs)),
  'incidents view',
  'backups create',
  'backups restore',
  'perms undo',
  'protection_policy update',
  'guild_roles update',
  'guild_members update'
]);

/** The entry of a page. */
export function sectionOf(pathname: string): string {
  const path = pathname.replace(/^\/dashboard\/guilds/, '').replace(/\/$/, '');
  return BELONGS[path] ?? path;
}

/** The entries that somebody sees; whoever is not known sees all. */
export function seen(may: (command: string) => boolean | undefined): Group[] {
  const visible = ({ needs }: Section) => needs.length === 0 || needs.some((command) => may(command) !== false);
  return GROUPS.map((group) => ({ ...group, sections: group.sections.filter(visible) })).filter((group) => group.sections.length > 0);
}
