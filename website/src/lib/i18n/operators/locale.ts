import { localeWith, type Catalogue, type Locale } from '../locale.svelte';
import { SITE, type SiteKey } from '../site/locale';
import { en } from './en';

export type OperatorsKey = keyof typeof en;
export type OperatorsLocale = Locale<OperatorsKey | SiteKey>;

export const OPERATORS: Catalogue<OperatorsKey> = {
  en,
  de: async () => (await import('./de')).de,
  ar: async () => (await import('./ar')).ar
};

/** The locale for components of this area, which say what the site says, too. */
export const useLocale = (): OperatorsLocale => localeWith(SITE, OPERATORS);
