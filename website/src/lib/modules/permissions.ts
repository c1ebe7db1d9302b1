import type { CanonicalModule } from '$lib/api/client';
import type { ServerLocale } from '$lib/i18n/server/locale';
import type { Checks } from './checks';

/** Permissions of ours that modules ask for, each namespace with all of it. */
export function permissionsOf(modules: CanonicalModule[]): string[] {
  const found = new Set<string>(['global.*']);
  for (const module of modules) {
    found.add(`${module.id}.*`);
    for (const command of module.commands) {
      for (const { default_perms } of Object.values(command.extended_data)) {
        const { checks = [], Simple } = default_perms as Checks;
        for (const check of Simple?.checks ?? checks) for (const name of check.kittycat_perms ?? []) found.add(name);
      }
    }
  }
  return [...found].sort();
}

/** `server_backups.restore` as words; its name stands beside it. */
export function permissionText(name: string, t: ServerLocale['t']): string {
  const taken = name.startsWith('~');
  const plain = taken ? name.slice(1) : name;
  const dot = plain.indexOf('.');
  const [area, what] = dot < 0 ? ['global', plain] : [plain.slice(0, dot), plain.slice(dot + 1)];
  const words = (text: string) => text.replaceAll(/[_.]/g, ' ');
  const text = what === '*' ? t('permission.all', { area: words(area) }) : what === '@clear' ? t('permission.clear', { area: words(area) }) : t('permission.one', { area: words(area), what: words(what) });
  return taken ? t('permission.taken', { what: text }) : text;
}
