import { createContext } from 'svelte';

/** Ends whatever is signed in, and says so. */
const [useSignOut, provideSignOut] = createContext<() => void>();

export { provideSignOut, useSignOut };
