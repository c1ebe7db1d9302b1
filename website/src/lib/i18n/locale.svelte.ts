import { createContext } from 'svelte';
import { browserStore, type Store } from '$lib/storage';
import { en as kit } from './kit/en';
import { fill, type Message, type Values } from './message';

/** Languages by code, in their own words. */
export const LANGUAGES = {
  en: { name: 'English', dir: 'ltr' },
  de: { name: 'Deutsch', dir: 'ltr' },
  ar: { name: 'العربية', dir: 'rtl' }
} as const;

export type Code = keyof typeof LANGUAGES;

/** Nobody speaks these: they show what longer words and the other direction do to a page. */
const PSEUDO = { 'en-XA': { dir: 'ltr' }, 'en-XB': { dir: 'rtl' } } as const;

type Used = Code | keyof typeof PSEUDO;

export type KitKey = keyof typeof kit;

/** The texts of an area in one language. */
export type Texts<Key extends string> = Record<Key, Message>;

/** The texts of an area in every language; all but the English ones are loaded when needed. */
export type Catalogue<Key extends string = string> = { en: Texts<Key> } & Record<
  Exclude<Code, 'en'>,
  () => Promise<Texts<Key>>
>;

/**
 * The catalogue of an area: its English texts and, by the names of their files, those of the other languages. A file
 * `de.ts` exports `de`.
 */
export function catalogue<Key extends string>(en: Texts<Key>, files: Record<string, () => Promise<unknown>>) {
  const others = Object.entries(files).map(([path, load]) => {
    const code = path.replace(/.*\/|\.ts$/g, '');
    return [code, async () => ((await load()) as Record<string, Texts<Key>>)[code]];
  });
  return { en, ...Object.fromEntries(others) } as Catalogue<Key>;
}

export const KIT: Catalogue<KitKey> = catalogue(kit, import.meta.glob(['./kit/*.ts', '!./kit/en.ts']));

const KEY = 'language';

/**
 * The language of the page: texts, numbers, times and the direction of writing. The texts are those of
 * the areas that are in use (`add`), so that no page loads what only others say.
 */
export class Locale<Key extends string = KitKey> {
  #code = $state<Used>('en');
  /** Of every area, for what another language has not loaded yet. */
  #english: Record<string, Message> = {};
  #texts = $state.raw<Record<string, Message>>({});
  #missing = $state<Used | null>(null);
  #areas: Catalogue[] = [];
  #store: Store;
  /** What was chosen last; its texts may be on their way. */
  #wanted: Used = 'en';
  /** Counts attempts to load it: the last one holds, however long it takes. */
  #attempt = 0;
  /** So many areas have their texts in the language of the page. */
  #loaded = 0;
  #number = $derived(new Intl.NumberFormat(this.#code));
  #percent = $derived(new Intl.NumberFormat(this.#code, { style: 'percent' }));
  #plural = $derived(new Intl.PluralRules(this.#code));
  #clock = $derived(new Intl.DateTimeFormat(this.#code, { timeStyle: 'medium' }));
  #hours = $derived(new Intl.DateTimeFormat(this.#code, { timeStyle: 'short' }));
  #date = $derived(new Intl.DateTimeFormat(this.#code, { dateStyle: 'full' }));
  #dateTime = $derived(
    new Intl.DateTimeFormat(this.#code, { dateStyle: 'short', timeStyle: 'medium' })
  );
  #relative = $derived(
    new Intl.RelativeTimeFormat(this.#code, { numeric: 'auto', style: 'short' })
  );

  constructor(areas: Catalogue[], store: Store = browserStore) {
    this.#store = store;
    for (const area of [KIT, ...areas]) this.add(area);
  }

  /** Has the texts of another area, too. A second time changes nothing. */
  add(area: Catalogue): void {
    if (this.#areas.includes(area)) return;
    this.#areas.push(area);
    Object.assign(this.#english, area.en);
    if (this.#wanted !== 'en') void this.#load();
  }

  get code(): Used {
    return this.#code;
  }

  /** The language that was to be used last, when its texts could not be loaded. */
  get missing(): Used | null {
    return this.#missing;
  }

  get dir(): 'ltr' | 'rtl' {
    return isPseudo(this.#code) ? PSEUDO[this.#code].dir : LANGUAGES[this.#code].dir;
  }

  /** The text of the key, for `{placeholders}` with values. */
  t = (key: Key | KitKey, values: Values = {}): string =>
    fill(this.#texts[key] ?? this.#english[key] ?? key, values, this.#number, this.#plural);

  number = (value: number): string => this.#number.format(value);
  /** Of a share from 0 to 1. */
  percent = (share: number): string => this.#percent.format(share);
  /** `a, b and c`, `a, b or c`. */
  list = (items: string[], type: 'conjunction' | 'disjunction'): string =>
    new Intl.ListFormat(this.#code, { type }).format(items);
  /** With so many digits after the point. */
  fixed = (value: number, digits: number): string =>
    new Intl.NumberFormat(this.#code, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
  /** `1.1 s`, `3 min`. */
  unit = (value: number, unit: 'second' | 'minute' | 'hour' | 'day' | 'millisecond' | 'byte' | 'kilobyte' | 'megabyte', digits = 0): string =>
    new Intl.NumberFormat(this.#code, { style: 'unit', unit, unitDisplay: 'short', maximumFractionDigits: digits }).format(value);
  date = (at: Date): string => this.#date.format(at);
  /** Hours and minutes. */
  clock = (at: Date): string => this.#hours.format(at);
  time = (at: Date): string => this.#clock.format(at);
  dateTime = (at: Date): string => this.#dateTime.format(at);

  /** `12 sec. ago`, `2 hr. ago`, after a week the date. A clock that runs ahead is read as now. */
  ago = (then: Date, now: number): string => {
    const seconds = Math.max(0, Math.round((now - then.getTime()) / 1000));
    if (seconds === 0) return this.t('ui.now');
    if (seconds >= WEEK_S) return this.#dateTime.format(then);
    const [size, unit] = STEPS.find(([size]) => seconds >= size) ?? [1, 'second'];
    return this.#relative.format(-Math.floor(seconds / size), unit);
  };

  /** Takes the language that was chosen here before, else the first of the browser's that we have. */
  async start(preferred: readonly string[]): Promise<void> {
    const codes = [this.#store.read(KEY) ?? '', ...preferred.map((tag) => tag.split('-')[0]!)];
    const code = codes.find(isUsed);
    if (code) await this.#use(code);
  }

  async choose(code: Used): Promise<void> {
    this.#store.write(KEY, code);
    await this.#use(code);
  }

  async #use(code: Used): Promise<void> {
    this.#wanted = code;
    this.#missing = null;
    await this.#load();
  }

  /** Loads what was chosen, for every area. When it cannot be had, the page stays as it is and says so. */
  async #load(): Promise<void> {
    const attempt = ++this.#attempt;
    const [code, count] = [this.#wanted, this.#areas.length];
    try {
      const areas = await textsOf(this.#areas, code);
      if (attempt !== this.#attempt) return;
      this.#code = code;
      this.#texts = Object.assign({}, ...areas);
      this.#loaded = count;
    } catch (error) {
      if (attempt !== this.#attempt) return;
      console.error(`the texts of the language ${code} cannot be loaded`, error);
      this.#missing = code;
      if (code === this.#code) return;
      this.#wanted = this.#code;
      // What came meanwhile is said in the language that stays.
      if (this.#loaded < count) await this.#load();
    }
  }
}

/** From then on a date says more than a distance. */
const WEEK_S = 7 * 86_400;

const STEPS: [seconds: number, unit: Intl.RelativeTimeFormatUnit][] = [
  [86_400, 'day'],
  [3600, 'hour'],
  [60, 'minute'],
  [1, 'second']
];

const isPseudo = (code: string): code is keyof typeof PSEUDO => Object.hasOwn(PSEUDO, code);
const isUsed = (text: string): text is Used => Object.hasOwn(LANGUAGES, text) || isPseudo(text);

/** The texts of areas in a language, beside the English ones that are there. */
async function textsOf(areas: Catalogue[], code: Used): Promise<Texts<string>[]> {
  if (code === 'en') return [];
  if (!isPseudo(code)) return Promise.all(areas.map((area) => area[code]()));
  const { pseudo } = await import('./pseudo');
  return areas.map((area) => pseudo(area.en));
}

const [contextual, provide, isProvided] = createContext<unknown>();

/** Makes it the locale of every component below. */
export function provideLocale<Key extends string>(locale: Locale<Key>): void {
  provide(locale as unknown);
}

/**
 * The locale around a component, with the texts of some areas; a new one where there is none. Each area
 * has a `useLocale` that names them, with the keys they have.
 */
export function localeWith<Key extends string>(...areas: Catalogue[]): Locale<Key> {
  if (!isProvided()) return new Locale<Key>(areas);
  const locale = contextual() as Locale<Key>;
  for (const area of areas) locale.add(area);
  return locale;
}

/** The locale for components of the kit. */
export const useLocale = (): Locale => localeWith();
