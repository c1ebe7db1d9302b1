import { catalogue, localeWith, type Catalogue, type Locale } from '../locale.svelte';
import { SITE, type SiteKey } from '../site/locale';
import { en } from './en';

export type DashboardKey = keyof typeof en;
export type DashboardLocale = Locale<DashboardKey | SiteKey>;

export const DASHBOARD: Catalogue<DashboardKey> = catalogue(en, import.meta.glob(['./*.ts', '!./en.ts', '!./locale.ts']));

/** The locale for components of this area, which say what the site says, too. */
export const useLocale = (): DashboardLocale => localeWith(SITE, DASHBOARD);
