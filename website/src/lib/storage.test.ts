import { afterEach, expect, it, vi } from 'vitest';
import { browserStore } from './storage';

afterEach(() => vi.unstubAllGlobals());

it('keeps and forgets', () => {
  browserStore.write('key', 'value');
  expect(browserStore.read('key')).toBe('value');
  browserStore.write('key', null);
  expect(browserStore.read('key')).toBeNull();
});

it.each([
  [
    'blocked',
    () => {
      throw new DOMException('Access is denied for this document.', 'SecurityError');
    }
  ],
  ['absent', () => undefined],
  [
    'full',
    () => ({
      getItem: () => null,
      setItem: () => {
        throw new DOMException('The quota has been exceeded.', 'QuotaExceededError');
      }
    })
  ]
])('lives with storage that is %s', (_, area) => {
  vi.stubGlobal('window', globalThis);
  Object.defineProperty(globalThis, 'localStorage', { configurable: true, get: area });
  browserStore.write('key', 'value');
  expect(browserStore.read('key')).toBeNull();
});

it('is the only way to storage', () => {
  const sources = import.meta.glob(['/src/**/*.{ts,svelte}', '/sandbox/**/*.{ts,svelte}'], {
    query: '?raw',
    import: 'default',
    eager: true
  }) as Record<string, string>;
  const touching = Object.entries(sources)
    .filter(([path]) => !path.endsWith('.test.ts') && !path.endsWith('/storage.ts'))
    .filter(([, source]) => /localStorage|sessionStorage|document\.cookie|indexedDB/.test(source))
    .map(([path]) => path);
  expect(touching).toEqual([]);
});
