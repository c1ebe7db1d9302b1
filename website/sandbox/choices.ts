import type { SandboxLocale } from './i18n/locale';
import { avatar, memberName } from './names';
import type { Session } from './session.svelte';
import type { Member } from './types';
import type { Choice } from '$lib/ui/Combobox.svelte';

type T = SandboxLocale['t'];

// What the fields of commands, menus and modals offer, by kind. Lists are cut to what fits a
// popup: whoever looks for more types a part of its name.

const MOST = 50;

const holds = (text: string, query: string) => text.toLowerCase().includes(query.toLowerCase());

export function memberChoice(session: Session, member: Member, t: T): Choice {
  return {
    value: member.user.id,
    label: memberName(member),
    detail: member.user.bot ? t('choice.app') : member.user.username,
    image: avatar(session.overview?.cdn ?? '', member.user)
  };
}

export async function users(session: Session, query: string, t: T): Promise<Choice[]> {
  const guild = session.guild?.id ?? '';
  const { members } = await session.control.members(guild, query, MOST);
  return members.map((member) => memberChoice(session, member, t));
}

export function roles(session: Session, query: string, t: T): Choice[] {
  return (session.place?.roles ?? [])
    .filter((role) => holds(role.name, query))
    .sort((a, b) => b.position - a.position)
    .slice(0, MOST)
    .map((role) => ({ value: role.id, label: `@${role.name.replace(/^@/, '')}`, detail: t('choice.role') }));
}

export function channels(session: Session, query: string, t: T, types: number[] = []): Choice[] {
  const fits = (type: number) => (types.length > 0 ? types.includes(type) : true);
  return [...(session.place?.channels ?? []), ...(session.place?.threads ?? [])]
    .filter((channel) => fits(channel.type) && holds(channel.name, query))
    .slice(0, MOST)
    .map((channel) => ({
      value: channel.id,
      label: channel.type === 4 ? channel.name : `#${channel.name}`,
      detail: channel.type === 4 ? t('choice.category') : undefined
    }));
}

export async function mentionables(session: Session, query: string, t: T): Promise<Choice[]> {
  return [...(await users(session, query, t)), ...roles(session, query, t)].slice(0, MOST);
}

/** Out of a fixed list. */
export function fixed(all: Choice[], query: string): Choice[] {
  return all.filter((choice) => holds(choice.label, query)).slice(0, MOST);
}

/** What a select menu of `type` offers beside its own options. */
export function selectable(
  session: Session,
  menu: { type: number; channel_types?: number[] },
  query: string,
  t: T
): Choice[] | Promise<Choice[]> {
  switch (menu.type) {
    case 5:
      return users(session, query, t);
    case 6:
      return roles(session, query, t);
    case 7:
      return mentionables(session, query, t);
    default:
      return channels(session, query, t, menu.channel_types);
  }
}

/** Most offers while a mention is typed. */
const MOST_MENTIONS = 12;

/** What a mention that is typed may become; `value` is what is sent. */
export async function mentioned(
  session: Session,
  { sign, query }: { sign: '@' | '#'; query: string },
  t: T
): Promise<Choice[]> {
  if (sign === '#') {
    const found = channels(session, query, t).filter((choice) => choice.label.startsWith('#'));
    return found.slice(0, MOST_MENTIONS).map((c) => ({ ...c, value: `<#${c.value}>` }));
  }
  const people = (await users(session, query, t)).map((choice) => ({
    ...choice,
    label: `@${choice.label}`,
    value: `<@${choice.value}>`
  }));
  // @everyone has the id of the server, and is written out.
  const groups = roles(session, query, t)
    .filter((choice) => choice.value !== session.guild?.id)
    .map((choice) => ({ ...choice, value: `<@&${choice.value}>` }));
  const all = ['@everyone', '@here'].map((name) => ({ value: name, label: name, detail: t('choice.all') }));
  return [...people, ...groups, ...fixed(all, query)].slice(0, MOST_MENTIONS);
}
