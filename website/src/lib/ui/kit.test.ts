import { expect, it } from 'vitest';

const sources = import.meta.glob<string>(['/src/**/*.svelte', '/sandbox/**/*.svelte'], {
  query: '?raw',
  import: 'default',
  eager: true
});

const matching = (what: RegExp, but = /^$/) =>
  Object.entries(sources)
    .filter(([path, text]) => !but.test(path) && what.test(text))
    .map(([path]) => path);

it('has one way to a button', () => {
  expect(Object.keys(sources).length).toBeGreaterThan(90);
  expect(matching(/class="(?:[^"]* )?button[ "]/)).toEqual([]);
  expect(matching(/<Button(?:Link)?\b[^>]*\sdisabled/)).toEqual([]);
});

it('knows where a line begins, not where left is', () => {
  expect(matching(/\b(?:border|margin|padding)-(?:left|right)\b|\b(?:left|right): `/)).toEqual([]);
});
