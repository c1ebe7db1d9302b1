import type { ClassValue } from 'svelte/elements';

export type Look = 'plain' | 'primary' | 'good' | 'bad' | 'danger';

/** The classes of what looks like a button, for the kit alone: pages use `Button` and `ButtonLink`. */
export function buttonClass(look: Look = 'plain', small = false, more?: ClassValue | null): ClassValue {
  return ['button', look !== 'plain' && `button-${look}`, small && 'button-small', more];
}
