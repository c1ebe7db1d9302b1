import { en } from '$lib/i18n/server/en';
import type { ServerKey, ServerLocale } from '$lib/i18n/server/locale';
import { UNIT, type Incident, type Rule } from './incident';

type T = ServerLocale['t'];

/** The text for a name that the bot gives; the name itself where it is newer than this page. */
function named(prefix: string, name: string, t: T): string {
  const key = `${prefix}.${name}`;
  return Object.hasOwn(en, key) ? t(key as ServerKey) : name.replaceAll('_', ' ');
}

export const kindText = (kind: string, t: T): string => named('incident', kind, t);
export const actText = (kind: string, t: T): string => named('act', kind, t);
export const rungText = (rung: string, t: T): string => named('rung', rung, t);
export const lossText = (loss: string, t: T): string => named('loss', loss, t);

/** Why it is an incident, as a sentence. */
export function ruleText(rule: Rule, { t, number }: Pick<ServerLocale, 't' | 'number'>): string {
  switch (rule.rule) {
    case 'limit':
      return t(rule.together ? 'rule.limitTogether' : 'rule.limit', {
        what: actText(rule.kind, t),
        count: number(Math.ceil(rule.count / UNIT)),
        limit: number(Math.floor(rule.limit / UNIT)),
        span: named('span', rule.span, t)
      });
    case 'points':
      return t('rule.points', { span: named('span', rule.span, t) });
    case 'instant':
      return named('instant', rule.what, t);
    case 'webhook_spam':
      return t('rule.webhookSpam', { count: rule.posts });
    case 'went_on':
      return t('rule.wentOn');
    default:
      return t('rule.other');
  }
}

/** How a call went. */
export function outcomeText(outcome: Incident['calls'][number]['outcome'], { t, number }: Pick<ServerLocale, 't' | 'number'>): string {
  if (outcome === null) return t('outcome.none');
  if (outcome === 'done') return t('outcome.done');
  if (outcome === 'down') return t('outcome.down');
  if ('refused' in outcome) return t('outcome.refused', { status: number(outcome.refused.status) });
  return t('outcome.limited');
}
