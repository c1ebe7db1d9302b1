import { createContext } from 'svelte';
import { browserStore, type Store } from '$lib/storage';
import { en } from './en';
import { fill, type Message, type Values } from './message';

export type Key = keyof typeof en;
export type Catalogue = Record<Key, Message>;

/** Languages by code, in their own words, with how to get their texts. */
export const LANGUAGES = {
  en: { name: 'English', dir: 'ltr', load: async (): Promise<Catalogue> => en },
  de: { name: 'Deutsch', dir: 'ltr', load: async (): Promise<Catalogue> => (await import('./de')).de },
  ar: { name: 'العربية', dir: 'rtl', load: async (): Promise<Catalogue> => (await import('./ar')).ar }
} as const;

export type Code = keyof typeof LANGUAGES;
type Languages = Record<Code, { load: () => Promise<Catalogue> }>;

const KEY = 'language';

/** The language of the page: texts, numbers, times and the direction of writing. */
export class Locale {
  #code = $state<Code>('en');
  #texts = $state.raw<Catalogue>(en);
  #missing = $state<Code | null>(null);
  #store: Store;
  #languages: Languages;
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

  constructor(store: Store = browserStore, languages: Languages = LANGUAGES) {
    this.#store = store;
    this.#languages = languages;
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
  t = (key: Key, values: Values = {}): string =>
    fill(this.#texts[key], values, this.#number, this.#plural);

  number = (value: number): string => this.#number.format(value);
  time = (at: Date): string => this.#clock.format(at);
  dateTime = (at: Date): string => this.#dateTime.format(at);

  /** `12 sec. ago`, `2 hr. ago`. A clock that runs ahead is read as now. */
  ago = (then: Date, now: number): string => {
    const seconds = Math.max(0, Math.round((now - then.getTime()) / 1000));
    if (seconds === 0) return this.t('ui.now');
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
      const texts = await this.#languages[code].load();
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

const STEPS: [seconds: number, unit: Intl.RelativeTimeFormatUnit][] = [
  [86_400, 'day'],
  [3600, 'hour'],
  [60, 'minute'],
  [1, 'second']
];

function isCode(text: string): text is Code {
  return Object.hasOwn(LANGUAGES, text);
}

const [contextual, provideLocale, isProvided] = createContext<Locale>();

export { provideLocale };

/** The locale of the page around a component; English where nobody provided one. */
export function useLocale(): Locale {
  return isProvided() ? contextual() : new Locale();
}
