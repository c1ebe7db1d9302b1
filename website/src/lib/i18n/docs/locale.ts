import { localeWith, type Catalogue, type Locale } from '../locale.svelte';
import { SITE, type SiteKey } from '../site/locale';
import { en } from './en';

export type DocsKey = keyof typeof en;
export type DocsLocale = Locale<DocsKey | SiteKey>;

export const DOCS: Catalogue<DocsKey> = {
  en,
  de: async () => (await import('./de')).de,
  ar: async () => (await import('./ar')).ar
};

/** The locale for components of this area, which say what the site says, too. */
export const useLocale = (): DocsLocale => localeWith(SITE, DOCS);
