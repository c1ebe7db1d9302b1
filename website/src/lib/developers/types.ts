import type { WebhookType } from '$lib/api/client';

/** What a webhook can be told of; a test is sent whatever it takes. */
export const TYPES = [
  'incident.opened',
  'incident.contained',
  'job.finished',
  'approval.opened',
  'approval.decided',
  'settings.changed',
  'guild.changed',
  'backup.late'
] as const satisfies readonly WebhookType[];

/** The words for a type; its name where it is newer than this page. */
export const knownType = (type: string) => [...TYPES, 'test' as const].find((known) => known === type);
