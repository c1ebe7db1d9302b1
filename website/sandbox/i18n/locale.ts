import { catalogue, localeWith, type Catalogue, type Locale } from '$lib/i18n/locale.svelte';
import { en } from './en';

export type SandboxKey = keyof typeof en;
export type SandboxLocale = Locale<SandboxKey>;

export const SANDBOX: Catalogue<SandboxKey> = catalogue(en, import.meta.glob(['./*.ts', '!./en.ts', '!./locale.ts']));

/** The locale for components of the sandbox's page. */
export const useLocale = (): SandboxLocale => localeWith(SANDBOX);
