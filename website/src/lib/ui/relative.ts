const STEPS: [seconds: number, unit: Intl.RelativeTimeFormatUnit][] = [
  [86_400, 'day'],
  [3600, 'hour'],
  [60, 'minute'],
  [1, 'second']
];

const format = new Intl.RelativeTimeFormat('en', { numeric: 'auto', style: 'short' });

/** `12 sec. ago`, `2 hr. ago`. A clock that runs ahead is read as now. */
export function relative(then: Date, now: number): string {
  const seconds = Math.max(0, Math.round((now - then.getTime()) / 1000));
  const [size, unit] = STEPS.find(([size]) => seconds >= size) ?? [1, 'second'];
  return seconds === 0 ? 'just now' : format.format(-Math.floor(seconds / size), unit);
}
