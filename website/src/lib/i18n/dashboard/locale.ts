import { localeWith, type Catalogue, type Locale } from '../locale.svelte';
import { SITE, type SiteKey } from '../site/locale';
import { en } from './en';

export type DashboardKey = keyof typeof en;
export type DashboardLocale = Locale<DashboardKey | SiteKey>;

export const DASHBOARD: Catalogue<DashboardKey> = {
  en,
  de: async () => (await import('./de')).de,
  ar: async () => (await import('./ar')).ar
};

/** The locale for components of this area, which say what the site says, too. */
export const useLocale = (): DashboardLocale => localeWith(SITE, DASHBOARD);
