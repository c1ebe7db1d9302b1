import { catalogue, localeWith, type Catalogue, type Locale } from '../locale.svelte';
import { SITE, type SiteKey } from '../site/locale';
import { en } from './en';

export type OperatorsKey = keyof typeof en;
export type OperatorsLocale = Locale<OperatorsKey | SiteKey>;

export const OPERATORS: Catalogue<OperatorsKey> = catalogue(en, import.meta.glob(['./*.ts', '!./en.ts', '!./locale.ts']));

/** The locale for components of this area, which say what the site says, too. */
export const useLocale = (): OperatorsLocale => localeWith(SITE, OPERATORS);
