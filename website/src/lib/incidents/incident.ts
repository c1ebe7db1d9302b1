import type { IncidentDetail, IncidentSummary } from '$lib/api/client';
import { timeOf, visibleName } from '$lib/guild/names';

/** Milliseconds since the first second of 2015, as Discord's ids count. */
type Moment = number;

export interface Suspect {
  id: string;
  bot: boolean;
  column: 'moderator' | 'administrator' | 'bot';
  contained: Moment | null;
  unreachable: boolean;
}

export interface Act {
  actor: string | null;
  kind: string;
  target: string | null;
  entry: { changes?: { key: string; old_value?: unknown; new_value?: unknown }[] } | null;
  at: Moment;
  before: [kind: string, object: { name?: string; username?: string; nick?: string }] | null;
}

export interface CallMade {
  call: { key: { actor: string; rung: string; subject: string }; reason: string };
  timing: { sent: Moment; answered: Moment };
  outcome: 'done' | 'down' | { refused: { status: number; code: number } } | { limited: { ms: number } } | null;
  returned: boolean;
}

export type Rule =
  | { rule: 'limit'; kind: string; span: string; count: number; limit: number; together: boolean }
  | { rule: 'points'; span: string; points: number; limit: number; together: boolean }
  | { rule: 'instant'; what: string }
  | { rule: 'webhook_spam'; posts: number; ping: boolean }
  | { rule: 'went_on' };

/** What the bot wrote down of an incident; the document of the API calls it an object. */
export interface Incident {
  suspects: Suspect[];
  rules: Rule[];
  acts: Act[];
  acts_in_all: number;
  calls: CallMade[];
  panic: boolean;
  losses: string[];
  times: Record<'act' | 'received' | 'decided', Moment> & Partial<Record<'sent' | 'acknowledged' | 'alerted' | 'owner_told', Moment | null>>;
}

/** Counts of rules come in twentieths. */
export const UNIT = 20;
const EPOCH_MS = 1_420_070_400_000;

export const dateOf = (at: Moment): Date => new Date(at + EPOCH_MS);

export const incidentOf = (detail: IncidentDetail): Incident => detail.document as unknown as Incident;

export type Progress = 'running' | 'stopped' | 'unreachable' | 'failed' | 'watched' | 'returned' | 'closed';

/** How far it is, in the words of the pages; `null` for a state that is newer than this page. */
export function progressOf({ state, mode }: Pick<IncidentSummary, 'state' | 'mode'>): Progress | null {
  switch (state) {
    case 'open':
      return mode === 'on' ? 'running' : 'watched';
    case 'containing':
      return 'running';
    case 'contained':
      return 'stopped';
    case 'dry_run':
      return 'watched';
    case 'unreachable':
    case 'failed':
    case 'returned':
    case 'closed':
      return state;
    default:
      return null;
  }
}

/** An attack under way, or one that was stopped lately and may still have to be put back. */
export function urgent(incidents: IncidentSummary[], now: number): { running?: IncidentSummary; recent?: IncidentSummary } {
  const of = (wanted: Progress[]) => incidents.filter((incident) => wanted.includes(progressOf(incident) ?? 'closed'));
  const lately = (incident: IncidentSummary) => now - timeOf(incident.id).getTime() < RECENT_MS;
  return { running: of(['running'])[0], recent: of(['stopped', 'unreachable', 'failed']).find(lately) };
}

const RECENT_MS = 24 * 3_600_000;

/** What an act was done to, where its name is known. */
export function nameOfAct(act: Act): string | null {
  const before = act.before?.[1];
  const change = act.entry?.changes?.find(({ key }) => key === 'name');
  const named = [before?.name, before?.nick, before?.username, change?.old_value, change?.new_value];
  return visibleName(named.find((name): name is string => typeof name === 'string' && name !== ''));
}

/** Parts that can be put back by themselves, by what was done. */
const PARTS: [part: Part, kinds: RegExp][] = [
  ['settings', /^(guild_update|vanity_update)$/],
  ['roles', /^(role_(add|update|remove)|dangerous_permission_grant)$/],
  ['channels', /^(channel_|thread_|overwrite_change|sight_denied)/],
  ['expressions', /^expression_/],
  ['automod', /^automod_/],
  ['events', /^event_/],
  ['members', /^(role_(given|removed)|member_roles|dangerous_role|timeout|nickname|voice_mute|verification)/],
  ['bans', /^ban$/]
];

export type Part = 'settings' | 'roles' | 'channels' | 'expressions' | 'automod' | 'events' | 'members' | 'bans' | 'others';

export const partOf = (kind: string): Part => PARTS.find(([, kinds]) => kinds.test(kind))?.[0] ?? 'others';

export interface Damage {
  part: Part;
  acts: Act[];
}

/** What there is to put back, part by part. Pings and kicks are nothing that comes back. */
export function damageOf(incident: Incident): Damage[] {
  const found = new Map<Part, Act[]>();
  for (const act of incident.acts) {
    if (/^(everyone_ping|kick|prune_members|message_remove|bulk_delete|voice_move|voice_disconnect)$/.test(act.kind)) continue;
    const part = partOf(act.kind);
    found.set(part, [...(found.get(part) ?? []), act]);
  }
  return [...found].map(([part, acts]) => ({ part, acts }));
}

export interface Kinds {
  kind: string;
  count: number;
}

/** How much of what was done, the most first. */
export function kindsOf(acts: Act[]): Kinds[] {
  const counts = new Map<string, number>();
  for (const { kind } of acts) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return [...counts].map(([kind, count]) => ({ kind, count })).sort((a, b) => b.count - a.count);
}

/** When it began: its first act, or the moment it was decided by. */
export const beginOf = (incident: Incident): Moment => Math.min(incident.times.act, ...incident.acts.map((act) => act.at));

export type Entry =
  | { whose: 'theirs'; at: Moment; until: Moment; actor: string | null; kind: string; acts: Act[] }
  | { whose: 'ours'; at: Moment; what: 'decided' | 'alerted' | 'owner_told' }
  | { whose: 'ours'; at: Moment; what: 'call'; made: CallMade };

/** Acts and what was done about them, in the order in which they were; equal acts in a row are one. */
export function timelineOf(incident: Incident): Entry[] {
  const theirs = incident.acts.map((act): Entry => ({ whose: 'theirs', at: act.at, until: act.at, actor: act.actor, kind: act.kind, acts: [act] }));
  const { times } = incident;
  const ours: Entry[] = [
    { whose: 'ours', at: times.decided, what: 'decided' },
    ...incident.calls.map((made): Entry => ({ whose: 'ours', at: made.timing.sent || times.decided, what: 'call', made }))
  ];
  if (times.alerted) ours.push({ whose: 'ours', at: times.alerted, what: 'alerted' });
  if (times.owner_told) ours.push({ whose: 'ours', at: times.owner_told, what: 'owner_told' });
  const all = [...theirs, ...ours].sort((a, b) => a.at - b.at || Number(a.whose === 'ours') - Number(b.whose === 'ours'));
  const entries: Entry[] = [];
  for (const entry of all) {
    const last = entries.at(-1);
    if (entry.whose === 'theirs' && last?.whose === 'theirs' && last.kind === entry.kind && last.actor === entry.actor) {
      last.acts.push(...entry.acts);
      last.until = entry.until;
    } else {
      entries.push(entry);
    }
  }
  return entries;
}

/** From when on nobody of them could do anything, if so. */
export function powerlessAt(incident: Incident): Moment | null {
  const moments = incident.suspects.map((suspect) => suspect.contained);
  return moments.length > 0 && moments.every((at) => at !== null) ? Math.max(...(moments as Moment[])) : null;
}
