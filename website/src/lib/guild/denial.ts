import type { ApiError } from '$lib/api/client';
import type { ServerLocale } from '$lib/i18n/server/locale';
import { whoPasses, type Checks } from '$lib/modules/checks';

/** The missing right in words, and who can give it; the server's own words where it says no more. */
export function denialOf({ message, said }: ApiError, locale: ServerLocale): { what: string; who: string } {
  const { t } = locale;
  const check = said.check as object | undefined;
  const checks = (said.checks ?? (check && { checks: [check] })) as Checks | undefined;
  const name = (key: string) => String(said[key] ?? '');
  switch (said.var) {
    case 'MissingKittycatPerms':
    case 'MissingNativePerms':
    case 'MissingAnyPerms':
    case 'NoChecksSucceeded':
    case 'MissingMinChecks':
      return { what: t('denied.needs', { who: checks ? whoPasses(checks, locale) : message }), who: t('denied.givers') };
    case 'CommandDisabled':
      return { what: t('denied.commandOff', { command: `/${name('command')}` }), who: t('denied.switchers') };
    case 'ModuleDisabled':
      return { what: t('denied.moduleOff', { module: name('module') }), who: t('denied.switchers') };
    default:
      return { what: message, who: t('denied.givers') };
  }
}
