import { describe, expect, it } from 'vitest';
import { LANGUAGES, type Catalogue, type Code } from '$lib/i18n/locale.svelte';
import { placeholders, type Message } from '$lib/i18n/message';

const codes = Object.keys(LANGUAGES) as Code[];

/** The texts of one language. */
export async function texts<Own extends string>(catalogue: Catalogue<Own>, code: Code) {
  return code === 'en' ? catalogue.en : catalogue[code]();
}

/** What holds for the texts of every page. */
export function describeCatalogue<Own extends string>(name: string, catalogue: Catalogue<Own>): void {
  const en: Record<string, Message> = catalogue.en;

  describe.each(codes)(`the ${name} in %s`, (code) => {
    it('has every text, with the same placeholders and code', async () => {
      const own: Record<string, Message> = await texts(catalogue, code);
      expect(Object.keys(own).sort()).toEqual(Object.keys(en).sort());
      // A number may be part of the words of a plural, as in "two restarts".
      const names = (message: Message) => [...placeholders(message)].filter((name) => name !== 'count').sort();
      for (const [key, text] of Object.entries(en)) {
        expect(JSON.stringify(own[key]).length, key).toBeGreaterThan(2);
        expect(names(own[key]!), key).toEqual(names(text));
        for (const form of forms(own[key]!)) expect(form.split('`').length, key).toBe(forms(text)[0]!.split('`').length);
      }
    });

    it('has every plural form of the language', async () => {
      const own: Record<string, Message> = await texts(catalogue, code);
      const wanted = new Intl.PluralRules(code).resolvedOptions().pluralCategories;
      for (const [key, text] of Object.entries(en)) {
        if (typeof text === 'string') expect(typeof own[key], key).toBe('string');
        else expect(Object.keys(own[key]!).sort(), key).toEqual([...wanted].sort());
      }
    });
  });
}

const forms = (message: Message): string[] => (typeof message === 'string' ? [message] : Object.values(message));
