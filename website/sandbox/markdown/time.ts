/** How Discord's `<t:…>` shows a time, by style. */
const STYLES: Record<string, Intl.DateTimeFormatOptions> = {
  t: { timeStyle: 'short' },
  T: { timeStyle: 'medium' },
  d: { dateStyle: 'short' },
  D: { dateStyle: 'long' },
  f: { dateStyle: 'long', timeStyle: 'short' },
  F: { dateStyle: 'full', timeStyle: 'short' }
};

const UNITS: [seconds: number, unit: Intl.RelativeTimeFormatUnit][] = [
  [31_536_000, 'year'],
  [2_592_000, 'month'],
  [86_400, 'day'],
  [3600, 'hour'],
  [60, 'minute'],
  [1, 'second']
];

/** `3 hours ago`, `in 5 minutes`. */
export function distance(seconds: number, nowMs: number, language: string): string {
  const away = Math.round(seconds - nowMs / 1000);
  const [size, unit] = UNITS.find(([size]) => Math.abs(away) >= size) ?? [1, 'second'];
  return new Intl.RelativeTimeFormat(language, { numeric: 'auto' }).format(Math.trunc(away / size), unit);
}

export function timestamp(seconds: number, style: string, nowMs: number, language: string): string {
  if (style === 'R') return distance(seconds, nowMs, language);
  return new Intl.DateTimeFormat(language, STYLES[style] ?? STYLES.f).format(seconds * 1000);
}
