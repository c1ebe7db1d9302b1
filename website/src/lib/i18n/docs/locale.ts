import { catalogue, localeWith, type Catalogue, type Locale } from '../locale.svelte';
import { SITE, type SiteKey } from '../site/locale';
import { en } from './en';

export type DocsKey = keyof typeof en;
export type DocsLocale = Locale<DocsKey | SiteKey>;

export const DOCS: Catalogue<DocsKey> = catalogue(en, import.meta.glob(['./*.ts', '!./en.ts', '!./locale.ts']));

/** The locale for components of this area, which say what the site says, too. */
export const useLocale = (): DocsLocale => localeWith(SITE, DOCS);
