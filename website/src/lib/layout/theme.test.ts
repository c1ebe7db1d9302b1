import { beforeEach, describe, expect, it, vi } from 'vitest';
import { Theme } from './theme.svelte';

const isDark = () => document.documentElement.classList.contains('dark');

function system(dark: boolean) {
  const query = Object.assign(new EventTarget(), { matches: dark });
  vi.spyOn(window, 'matchMedia').mockReturnValue(query as unknown as MediaQueryList);
  return {
    become(dark: boolean) {
      query.matches = dark;
      query.dispatchEvent(new Event('change'));
    }
  };
}

describe('Theme', () => {
  beforeEach(() => localStorage.clear());

  it('follows the system until something is chosen', () => {
    const preference = system(false);
    const theme = new Theme();
    const stop = theme.follow();
    expect(isDark()).toBe(false);
    preference.become(true);
    expect(isDark()).toBe(true);
    theme.choose('light');
    expect(isDark()).toBe(false);
    expect(new Theme().choice).toBe('light');
    stop();
  });

  it('forgets the choice when the system counts again', () => {
    system(true);
    const theme = new Theme();
    theme.choose('light');
    theme.choose('system');
    expect(isDark()).toBe(true);
    expect(localStorage.getItem('theme')).toBeNull();
  });

  it('reads only what it wrote', () => {
    localStorage.setItem('theme', 'pink');
    expect(new Theme().choice).toBe('system');
  });
});
