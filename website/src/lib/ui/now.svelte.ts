import { createSubscriber } from 'svelte/reactivity';

const TICK_MS = 1000;

const subscribe = createSubscriber((update) => {
  const timer = setInterval(update, TICK_MS);
  return () => clearInterval(timer);
});

/** The current time; a component that reads it is rendered again every second. */
export function now(): number {
  subscribe();
  return Date.now();
}
