import { localeWith, type Catalogue, type Locale } from '$lib/i18n/locale.svelte';
import { en } from './en';

export type SandboxKey = keyof typeof en;
export type SandboxLocale = Locale<SandboxKey>;

export const SANDBOX: Catalogue<SandboxKey> = {
  en,
  de: async () => (await import('./de')).de,
  ar: async () => (await import('./ar')).ar
};

/** The locale for components of the sandbox's page. */
export const useLocale = (): SandboxLocale => localeWith(SANDBOX);
