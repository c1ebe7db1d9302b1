import { fill, type Values } from '$lib/i18n/message';
import { ControlError } from './api';
import { en } from './i18n/en';
import type { SandboxKey, SandboxLocale } from './i18n/locale';

/** A failure in words of ours, said in the language of the page. */
export class Told extends Error {
  override name = 'Told';

  constructor(
    readonly key: SandboxKey,
    readonly values: Values = {}
  ) {
    super(fill(en[key], values, new Intl.NumberFormat('en'), new Intl.PluralRules('en')));
  }
}

/** What a refused or failed call says. The words of Discord and the sandbox stay as they are. */
export function reason(cause: unknown, t: SandboxLocale['t']): string {
  if (cause instanceof Told) return t(cause.key, cause.values);
  if (cause instanceof ControlError && cause.code === 'unreachable') return t('app.unreachable');
  return cause instanceof Error ? cause.message : String(cause);
}
