import { browserStore, type Store } from '$lib/storage';

export type ThemeChoice = 'system' | 'light' | 'dark';

const KEY = 'theme';

/** The chosen theme, kept in this browser. `static/theme.js` applies it before the first paint. */
export class Theme {
  choice = $state<ThemeChoice>('system');

  #store: Store;

  constructor(store: Store = browserStore) {
    this.#store = store;
    const stored = store.read(KEY);
    if (stored === 'light' || stored === 'dark') this.choice = stored;
  }

  choose(choice: ThemeChoice): void {
    this.choice = choice;
    this.#store.write(KEY, choice === 'system' ? null : choice);
    this.#apply(matchMedia('(prefers-color-scheme: dark)').matches);
  }

  /** Follows the system's preference. Returns how to stop. */
  follow(): () => void {
    const system = matchMedia('(prefers-color-scheme: dark)');
    const onchange = () => this.#apply(system.matches);
    onchange();
    system.addEventListener('change', onchange);
    return () => system.removeEventListener('change', onchange);
  }

  #apply(systemIsDark: boolean): void {
    const dark = this.choice === 'dark' || (this.choice === 'system' && systemIsDark);
    document.documentElement.classList.toggle('dark', dark);
  }
}
