import { describe, expect, it, vi } from 'vitest';
import { describeCatalogue, texts } from '../../../tests/catalogue';
import { KIT, LANGUAGES, Locale, type Code, type KitKey, type Texts } from './locale.svelte';
import { ABOUT } from './about/locale';
import { DASHBOARD } from './dashboard/locale';
import { SERVER } from './server/locale';
import { DOCS } from './docs/locale';
import { OPERATORS, type OperatorsKey } from './operators/locale';
import { SITE, type SiteKey } from './site/locale';

const codes = Object.keys(LANGUAGES) as Code[];
const nowhere = { read: () => null, write: () => undefined };

describeCatalogue('kit', KIT);
describeCatalogue('site', SITE);
describeCatalogue('operators', OPERATORS);
describeCatalogue('docs', DOCS);
describeCatalogue('dashboard', DASHBOARD);
describeCatalogue('server', SERVER);
describeCatalogue('about', ABOUT);

it.each(codes)('names commands with what is written on their buttons, in %s', async (code) => {
  const catalogue = { ...(await texts(SITE, code)), ...(await texts(OPERATORS, code)), ...(await texts(DOCS, code)) };
  for (const command of ['start', 'stop', 'restart', 'rolling', 'reshard', 'relaunch'] as const) {
    expect(catalogue[`command.${command}Title`]).toContain(catalogue[`command.${command}`]);
  }
  expect(catalogue['clusters.viewNamed']).toContain(catalogue['clusters.view']);
  expect(catalogue['operators.healthOf']).toContain(catalogue['operators.health']);
  expect(catalogue['docs.sendNamed']).toContain(catalogue['docs.send']);
});

describe('Locale', () => {
  it('chooses plurals, numbers and the direction by the language', async () => {
    const locale = new Locale<OperatorsKey>([OPERATORS], nowhere);
    expect([locale.t('operators.restarts', { count: 1 }), locale.dir]).toEqual(['(1 restart)', 'ltr']);
    expect(locale.t('operators.restarts', { count: 1200 })).toBe('(1,200 restarts)');
    await locale.choose('de');
    expect(locale.t('operators.restarts', { count: 1200 })).toBe('(1.200 Neustarts)');
    await locale.choose('ar');
    expect(locale.dir).toBe('rtl');
    expect(locale.t('operators.restarts', { count: 2 })).toBe('(إعادتا تشغيل)');
    expect(locale.t('operators.restarts', { count: 3 })).toContain('إعادات');
  });

  it('stretches every text for a language that nobody speaks, and keeps its places and code', async () => {
    const locale = new Locale<SiteKey>([SITE], nowhere);
    await locale.choose('en-XA');
    expect([locale.t('clusters.viewNamed', { name: 'Flare' }), locale.dir]).toEqual(['[Víéw Flare ~]', 'ltr']);
    await locale.choose('en-XB');
    expect([locale.t('nav.home').length > 'Home'.length, locale.dir]).toEqual([true, 'rtl']);
  });

  it('has the texts of areas that come later, in the language that was chosen', async () => {
    const locale = new Locale<SiteKey>([], nowhere);
    await locale.choose('de');
    locale.add(SITE);
    expect(locale.t('nav.home')).toBe('Home');
    await vi.waitFor(() => expect(locale.t('nav.home')).toBe('Startseite'));
  });

  it('names the largest unit of time that fits', () => {
    const { ago } = new Locale<OperatorsKey>([OPERATORS], nowhere);
    const now = Date.parse('2026-01-02T00:00:00Z');
    const at = (seconds: number) => ago(new Date(now - seconds * 1000), now);
    expect(at(0)).toBe('just now');
    expect(at(-30)).toBe('just now');
    expect(at(12)).toBe('12 sec. ago');
    expect(at(119)).toBe('1 min. ago');
    expect(at(7200)).toBe('2 hr. ago');
    expect(at(86_400)).toBe('yesterday');
    expect(at(7 * 86_400)).toMatch(/^12\/2[56]\/25, /);
  });

  it('begins with what was chosen here, else with what the browser prefers', async () => {
    const kept = new Map<string, string>();
    const store = {
      read: (key: string) => kept.get(key) ?? null,
      write: (key: string, value: string | null) => void kept.set(key, value ?? '')
    };
    const started = async (...preferred: string[]) => {
      const locale = new Locale([], store);
      await locale.start(preferred);
      return locale.code;
    };
    expect(await started('xx', 'de-AT', 'en')).toBe('de');
    expect(await started('toString')).toBe('en');
    await new Locale([], store).choose('ar');
    expect(await started('de')).toBe('ar');
  });

  it('keeps the last choice, however late an earlier one arrives', async () => {
    let arrive = (_: Texts<KitKey>) => {};
    const late = new Promise<Texts<KitKey>>((resolve) => (arrive = resolve));
    const locale = new Locale([{ ...KIT, de: () => late }], nowhere);
    const first = locale.choose('de');
    await locale.choose('ar');
    arrive(KIT.en);
    await first;
    expect(locale.code).toBe('ar');
  });

  it.each(['en', 'ar'] as const)('keeps a choice whose texts are on their way when an area comes, from %s', async (before) => {
    let arrive = (_: Texts<KitKey>) => {};
    const late = new Promise<Texts<KitKey>>((resolve) => (arrive = resolve));
    const locale = new Locale<SiteKey>([{ ...KIT, de: () => late }], nowhere);
    await locale.choose(before);
    const chosen = locale.choose('de');
    locale.add(SITE);
    arrive(KIT.en);
    await chosen;
    await vi.waitFor(() => expect([locale.code, locale.t('nav.home')]).toEqual(['de', 'Startseite']));
  });

  it('says an area that comes meanwhile in the language that stays', async () => {
    vi.spyOn(console, 'error').mockReturnValue();
    let fail = (_: Error) => {};
    const late = new Promise<Texts<KitKey>>((_, reject) => (fail = reject));
    const locale = new Locale<SiteKey>([{ ...KIT, de: () => late }], nowhere);
    await locale.choose('ar');
    const chosen = locale.choose('de');
    locale.add(SITE);
    fail(new Error('offline'));
    await chosen;
    const home = (await SITE.ar())['nav.home'];
    await vi.waitFor(() => expect([locale.code, locale.t('nav.home'), locale.missing]).toEqual(['ar', home, 'de']));
  });

  it('says when the texts cannot be loaded, and stays as it is', async () => {
    const said = vi.spyOn(console, 'error').mockReturnValue();
    const locale = new Locale([{ ...KIT, de: () => Promise.reject(new Error('offline')) }], nowhere);
    await locale.choose('ar');
    await locale.choose('de');
    expect([locale.code, locale.missing]).toEqual(['ar', 'de']);
    expect(said).toHaveBeenCalledOnce();
    await locale.choose('en');
    expect([locale.code, locale.missing]).toEqual(['en', null]);
  });
});
