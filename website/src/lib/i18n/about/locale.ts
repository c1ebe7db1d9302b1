import { catalogue, localeWith, type Catalogue, type Locale } from '../locale.svelte';
import { SITE, type SiteKey } from '../site/locale';
import { en } from './en';

export type AboutKey = keyof typeof en;

export const ABOUT: Catalogue<AboutKey> = catalogue(en, import.meta.glob(['./*.ts', '!./en.ts', '!./locale.ts']));

/** The locale for pages about the project and how to get it. */
export const useLocale = (): Locale<AboutKey | SiteKey> => localeWith(SITE, ABOUT);
