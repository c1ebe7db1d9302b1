import { DASHBOARD, type DashboardKey } from '../dashboard/locale';
import { catalogue, localeWith, type Catalogue, type Locale } from '../locale.svelte';
import { SITE, type SiteKey } from '../site/locale';
import { en } from './en';

export type ServerKey = keyof typeof en;
export type ServerLocale = Locale<ServerKey | DashboardKey | SiteKey>;

export const SERVER: Catalogue<ServerKey> = catalogue(en, import.meta.glob(['./*.ts', '!./en.ts', '!./locale.ts']));

/** The locale for components of a server's pages, which say what the dashboard says, too. */
export const useLocale = (): ServerLocale => localeWith(SITE, DASHBOARD, SERVER);
