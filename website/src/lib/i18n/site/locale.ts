import { catalogue, localeWith, type Catalogue, type Locale } from '../locale.svelte';
import { en } from './en';

export type SiteKey = keyof typeof en;
export type SiteLocale = Locale<SiteKey>;

export const SITE: Catalogue<SiteKey> = catalogue(en, import.meta.glob(['./*.ts', '!./en.ts', '!./locale.ts']));

/** The locale for components of the site. */
export const useLocale = (): SiteLocale => localeWith(SITE);
