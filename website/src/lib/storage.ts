/**
 * What this browser keeps for us. A browser may refuse (blocked storage throws even on being looked
 * at), be full, or have none; then nothing is kept and the page works all the same. No other
 * module touches `localStorage`, `sessionStorage` or cookies.
 */
export interface Store {
  read(key: string): string | null;
  /** `null` forgets the key. */
  write(key: string, value: string | null): void;
}

function guarded(area: () => Storage): Store {
  return {
    read(key) {
      try {
        return area().getItem(key);
      } catch {
        return null;
      }
    },
    write(key, value) {
      try {
        if (value === null) area().removeItem(key);
        else area().setItem(key, value);
      } catch {
        // It is a convenience that is lost, not work.
      }
    }
  };
}

/** Kept until somebody clears it. */
export const browserStore: Store = guarded(() => localStorage);

/** Kept as long as the tab. */
export const tabStore: Store = guarded(() => sessionStorage);
