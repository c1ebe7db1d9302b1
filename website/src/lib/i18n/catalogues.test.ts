import { describe, expect, it, vi } from 'vitest';
import { en } from './en';
import { LANGUAGES, Locale, type Catalogue, type Code, type Key } from './locale.svelte';
import { placeholders } from './message';

const codes = Object.keys(LANGUAGES) as Code[];
const keys = Object.keys(en) as Key[];
const nowhere = { read: () => null, write: () => undefined };

describe.each(codes)('the catalogue of %s', (code) => {
  it('has every text, with the same placeholders and code', async () => {
    const catalogue = await LANGUAGES[code].load();
    expect(Object.keys(catalogue).sort()).toEqual([...keys].sort());
    for (const key of keys) {
      const text = catalogue[key];
      expect(JSON.stringify(text).length, key).toBeGreaterThan(2);
      // A number may be part of the words of a plural, as in "two restarts".
      const names = (message: typeof text) => [...placeholders(message)].filter((name) => name !== 'count').sort();
      expect(names(text), key).toEqual(names(en[key]));
      expect(JSON.stringify(text).split('`').length, key).toBe(JSON.stringify(en[key]).split('`').length);
    }
  });

  it('has every plural form of the language', async () => {
    const catalogue = await LANGUAGES[code].load();
    const forms = new Intl.PluralRules(code).resolvedOptions().pluralCategories;
    for (const key of keys) {
      const text = catalogue[key];
      if (typeof en[key] === 'string') expect(typeof text, key).toBe('string');
      else expect(Object.keys(text).sort(), key).toEqual([...forms].sort());
    }
  });

  it('names commands with what is written on their buttons', async () => {
    const catalogue = await LANGUAGES[code].load();
    for (const command of ['start', 'stop', 'restart', 'rolling', 'reshard', 'relaunch'] as const) {
      expect(catalogue[`command.${command}Title`]).toContain(catalogue[`command.${command}`]);
    }
    expect(catalogue['clusters.viewNamed']).toContain(catalogue['clusters.view']);
    expect(catalogue['operators.healthOf']).toContain(catalogue['operators.health']);
    expect(catalogue['docs.sendNamed']).toContain(catalogue['docs.send']);
  });
});

describe('Locale', () => {
  it('chooses plurals, numbers and the direction by the language', async () => {
    const locale = new Locale(nowhere);
    expect([locale.t('operators.restarts', { count: 1 }), locale.dir]).toEqual(['(1 restart)', 'ltr']);
    expect(locale.t('operators.restarts', { count: 1200 })).toBe('(1,200 restarts)');
    await locale.choose('de');
    expect(locale.t('operators.restarts', { count: 1200 })).toBe('(1.200 Neustarts)');
    await locale.choose('ar');
    expect(locale.dir).toBe('rtl');
    expect(locale.t('operators.restarts', { count: 2 })).toBe('(إعادتا تشغيل)');
    expect(locale.t('operators.restarts', { count: 3 })).toContain('إعادات');
  });

  it('names the largest unit of time that fits', () => {
    const { ago } = new Locale(nowhere);
    const now = Date.parse('2026-01-02T00:00:00Z');
    const at = (seconds: number) => ago(new Date(now - seconds * 1000), now);
    expect(at(0)).toBe('just now');
    expect(at(-30)).toBe('just now');
    expect(at(12)).toBe('12 sec. ago');
    expect(at(119)).toBe('1 min. ago');
    expect(at(7200)).toBe('2 hr. ago');
    expect(at(86_400)).toBe('yesterday');
  });

  it('begins with what was chosen here, else with what the browser prefers', async () => {
    const kept = new Map<string, string>();
    const store = {
      read: (key: string) => kept.get(key) ?? null,
      write: (key: string, value: string | null) => void kept.set(key, value ?? '')
    };
    const started = async (...preferred: string[]) => {
      const locale = new Locale(store);
      await locale.start(preferred);
      return locale.code;
    };
    expect(await started('xx', 'de-AT', 'en')).toBe('de');
    expect(await started('toString')).toBe('en');
    await new Locale(store).choose('ar');
    expect(await started('de')).toBe('ar');
  });

  it('keeps the last choice, however late an earlier one arrives', async () => {
    let arrive = (_: Catalogue) => {};
    const late = new Promise<Catalogue>((resolve) => (arrive = resolve));
    const languages = { ...LANGUAGES, de: { load: () => late } };
    const locale = new Locale(nowhere, languages);
    const first = locale.choose('de');
    await locale.choose('ar');
    arrive(en);
    await first;
    expect(locale.code).toBe('ar');
  });

  it('says when the texts cannot be loaded, and stays as it is', async () => {
    const said = vi.spyOn(console, 'error').mockReturnValue();
    const languages = { ...LANGUAGES, de: { load: () => Promise.reject(new Error('offline')) } };
    const locale = new Locale(nowhere, languages);
    await locale.choose('ar');
    await locale.choose('de');
    expect([locale.code, locale.missing]).toEqual(['ar', 'de']);
    expect(said).toHaveBeenCalledOnce();
    await locale.choose('en');
    expect([locale.code, locale.missing]).toEqual(['en', null]);
  });
});
