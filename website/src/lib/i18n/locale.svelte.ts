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

export type KitKey = keyof typeof kit;

/** The texts of a page in one language: those of the kit and its own. */
export type Texts<Own extends string = never> = Record<KitKey | Own, Message>;

/** The texts of a page in every language; all but the English ones are loaded when asked for. */
export type Catalogue<Own extends string = never> = { en: Texts<Own> } & Record<
  Exclude<Code, 'en'>,
  () => Promise<Texts<Own>>
>;

export const KIT: Catalogue = {
  en: kit,
  de: async () => (await import('./kit/de')).de,
  ar: async () => (await import('./kit/ar')).ar
};

const KEY = 'language';

/** The language of the page: texts, numbers, times and the direction of writing. */
export class Locale<Own extends string = never> {
  #code = $state<Code>('en');
  #texts: Texts<Own>;
  #missing = $state<Code | null>(null);
  #catalogue: Catalogue<Own>;
  #store: Store;
  /** Counts choices: the last one holds, however long its texts take. */
  #choice = 0;
  #number = $derived(new Intl.NumberFormat(this.#code));
  #plural = $derived(new Intl.PluralRules(this.#code));
  #clock = $derived(new Intl.DateTimeFormat(this.#code, { timeStyle: 'medium' }));
  #dateTime = $derived(
    new Intl.DateTimeFormat(this.#code, { dateStyle: 'short', timeStyle: 'medium' })
  );
  #relative = $derived(
    new Intl.RelativeTimeFormat(this.#code, { numeric: 'auto', style: 'short' })
  );

  constructor(catalogue: Catalogue<Own>, store: Store = browserStore) {
    this.#catalogue = catalogue;
    this.#texts = $state.raw(catalogue.en);
    this.#store = store;
  }

  get code(): Code {
    return this.#code;
  }

  /** The language that was to be used last, when its texts could not be loaded. */
  get missing(): Code | null {
    return this.#missing;
  }

  get dir(): 'ltr' | 'rtl' {
    return LANGUAGES[this.#code].dir;
  }

  /** The text of the key, for `{placeholders}` with values. */
  t = (key: KitKey | Own, values: Values = {}): string =>
    fill(this.#texts[key], values, this.#number, this.#plural);

  number = (value: number): string => this.#number.format(value);
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
    const code = codes.find(isCode);
    if (code) await this.#use(code);
  }

  async choose(code: Code): Promise<void> {
    this.#store.write(KEY, code);
    await this.#use(code);
  }

  /** When the texts cannot be had, the page stays as it is and says so. */
  async #use(code: Code): Promise<void> {
    const choice = ++this.#choice;
    this.#missing = null;
    try {
      const texts = code === 'en' ? this.#catalogue.en : await this.#catalogue[code]();
      if (choice !== this.#choice) return;
      this.#code = code;
      this.#texts = texts;
    } catch (error) {
      if (choice !== this.#choice) return;
      console.error(`the texts of the language ${code} cannot be loaded`, error);
      this.#missing = code;
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

function isCode(text: string): text is Code {
  return Object.hasOwn(LANGUAGES, text);
}

const [contextual, provide, isProvided] = createContext<unknown>();

/** Makes it the locale of every component below. */
export function provideLocale<Own extends string>(locale: Locale<Own>): void {
  provide(locale);
}

/** The locale around a component, which has the texts of the page; English where there is none. */
export function localeAround<Own extends string>(catalogue: Catalogue<Own>): Locale<Own> {
  return isProvided() ? (contextual() as Locale<Own>) : new Locale(catalogue);
}

/** The locale for components of the kit. */
export const useLocale = (): Locale => localeAround(KIT);
