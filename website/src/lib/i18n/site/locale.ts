import { localeWith, type Catalogue, type Locale } from '../locale.svelte';
import { en } from './en';

export type SiteKey = keyof typeof en;
export type SiteLocale = Locale<SiteKey>;

export const SITE: Catalogue<SiteKey> = {
  en,
  de: async () => (await import('./de')).de,
  ar: async () => (await import('./ar')).ar
};

/** The locale for components of the site. */
export const useLocale = (): SiteLocale => localeWith(SITE);
