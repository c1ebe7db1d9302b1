import { createContext, type Snippet } from 'svelte';

/** What a page puts into the header of the site: the pages of a server have their own there. */
export class HeaderSlot {
  /** In place of the site's links. */
  bar = $state.raw<Snippet>();
  /** On top of the menu. */
  menu = $state.raw<Snippet<[close: () => void]>>();
}

const [useHeaderSlot, provideHeaderSlot] = createContext<HeaderSlot>();

export { provideHeaderSlot, useHeaderSlot };
