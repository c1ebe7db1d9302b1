import { Locale } from '$lib/i18n/locale.svelte';
import { SANDBOX, type SandboxKey, type SandboxLocale } from './i18n/locale';
import { reason, Told } from './told';
import { Control, ControlError } from './api';
import { now } from '$lib/ui/now.svelte';
import { hasMessages, isDirect, isForum, isThread, MAY, may } from './channels';
import { follow, type Part } from './live';
import { shownName } from './names';
import { refreshed } from './paging';
import type {
  Audit,
  Channel,
  Command,
  GuildLine,
  Interact,
  Interacted,
  Members,
  Message,
  Modal,
  Overview,
  Place,
  Upload,
  User
} from './types';

const PAGE = 50;
/** Messages that are kept fresh; older ones stay as they were loaded. */
const FRESH = 200;
/** Changes within this time are read together. */
const GATHER_MS = 120;

/** The first of these that went wrong. */
function firstFailure(all: PromiseSettledResult<unknown>[]): PromiseRejectedResult | undefined {
  return all.find((done) => done.status === 'rejected');
}

/** A guild looked at as one of its users: what is known of it, and what can be done in it. */
export class Session {
  readonly control: Control;
  overview = $state.raw<Overview>();
  guild = $state.raw<GuildLine>();
  user = $state.raw<User>();
  place = $state.raw<Place>();
  /** Why there is no `place`; `not_a_member` for outsiders. */
  refusal = $state.raw<ControlError>();
  channel = $state.raw<Channel>();
  messages = $state.raw<Message[]>();
  hasOlder = $state(false);
  /** Posts of a forum, or threads of a channel while they are listed. */
  posts = $state.raw<Channel[]>();
  hasOlderPosts = $state(false);
  /** Whether the channel shows its threads instead of its messages. */
  listing = $state(false);
  dms = $state.raw<Channel[]>([]);
  /** Direct messages that came since the user was chosen and were not opened, by channel. */
  unseen = $state.raw<ReadonlySet<string>>(new Set());
  members = $state.raw<Members>();
  memberSearch = $state('');
  /** The search that `members` answers. */
  membersOf = $state('');
  commands = $state.raw<Command[]>();
  audit = $state.raw<Audit>();
  hasOlderAudit = $state(false);
  modal = $state.raw<{ spec: Modal; message?: string }>();
  replyTo = $state.raw<Message>();
  /** The message that is being edited, by id. */
  editing = $state<string>();
  /** The last thing that went wrong, or nothing. */
  notice = $state('');
  /** Why parts could not be read when it was last tried. */
  problems = $state.raw<Partial<Record<Part, string>>>({});
  /** Whether the world has no server, so that there is no `guild`. */
  isEmpty = $state(false);
  /** Whether nobody is in the server, so that there is no `user`. */
  isDeserted = $state(false);
  /** Why nothing is live at the moment. */
  trouble = $state<string | null>(null);
  /** Interactions that wait for their answers, in their order. */
  #pressed = $state.raw<{ what: string }[]>([]);

  #clockReadAt = 0;
  #stale = new Set<Part>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #flushing = false;
  /** Newest message that was seen, by direct channel. */
  #seen = new Map<string, string | null | undefined>();
  #readers: Record<Part, () => Promise<void>> = {
    clock: () => this.#readClock(),
    place: () => this.#readPlace(),
    messages: () => this.#readMessages(),
    members: () => this.#readMembers(),
    audit: () => this.#readAudit(),
    commands: () => this.#readCommands(),
    dms: () => this.#readDms()
  };

  constructor(
    control = new Control(),
    readonly t: SandboxLocale['t'] = new Locale<SandboxKey>([SANDBOX]).t
  ) {
    this.control = control;
  }

  /** Sandbox time, as far as its clock was the last time it was read. */
  now = (): number => {
    const real = now();
    if (!this.overview) return real;
    return this.overview.now_ms + (real - this.#clockReadAt) * this.overview.rate;
  };

  /** Opens the place in the address bar or the first there is, and follows the journal. */
  async start(signal: AbortSignal): Promise<void> {
    const moved = () => void this.attempt(() => this.#open());
    addEventListener('hashchange', moved, { signal });
    let retry = true;
    while (retry && !signal.aborted) {
      try {
        await this.#open();
        retry = false;
      } catch (cause) {
        this.trouble = reason(cause, this.t);
        await new Promise((resolve) => setTimeout(resolve, 1500));
      }
    }
    this.trouble = null;
    await follow(
      this.control,
      this.overview?.journal ?? 0,
      {
        onstale: (parts) => this.#invalidate(parts),
        onreplaced: () => void this.attempt(() => this.#open()),
        ontrouble: (cause) => (this.trouble = cause === null ? null : reason(cause, this.t))
      },
      signal
    );
  }

  /** Whether the place that is to be shown is still being read. */
  get isLooking(): boolean {
    const isKnown = this.place !== undefined || this.refusal !== undefined;
    const isNone = this.isEmpty || this.isDeserted;
    return !isKnown && !isNone && this.problems.place === undefined;
  }

  /** Opens a place; why that failed is kept when there is none then. */
  async #opening(work: () => Promise<void>): Promise<void> {
    try {
      await work();
      if (this.isEmpty || this.isDeserted) this.#note('place');
    } catch (cause) {
      if (this.place === undefined) this.#note('place', reason(cause, this.t));
      throw cause;
    }
  }

  #open(): Promise<void> {
    return this.#opening(() => this.#openAddressed());
  }

  async #openAddressed(): Promise<void> {
    this.isEmpty = false;
    await this.#readClock();
    const [guildId, userId, channelId] = location.hash.slice(1).split('/');
    const { guilds } = await this.control.guilds('');
    let guild = guilds.find((guild) => guild.id === guildId);
    if (!guild && guildId) guild = (await this.control.guilds(guildId, 1)).guilds[0];
    guild ??= guilds[0];
    this.guild = guild;
    this.isEmpty = guild === undefined;
    this.user = undefined;
    this.#forgetPlace();
    if (!guild) return;
    const people = await this.control.people(guild.id, userId ?? '', 1);
    const outsiders = async (id: string) => (await this.control.outsiders(guild.id, id, 1)).users[0];
    const outsider = userId && people.members.length === 0 ? await outsiders(userId) : undefined;
    const anyone = async () => (await this.control.people(guild.id, '', 1)).members[0]?.user;
    await this.#become(people.members[0]?.user ?? outsider ?? (await anyone()), channelId);
  }

  /** Looks at the server as this user; without one there is nobody in it. */
  async #become(user: User | undefined, channelId?: string): Promise<void> {
    this.user = user;
    this.isDeserted = user === undefined;
    await (user ? this.#enter(channelId) : this.#readMembers());
  }

  /** Runs `work`; what goes wrong becomes the notice. */
  async attempt<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      this.notice = '';
      return await work();
    } catch (cause) {
      this.notice = reason(cause, this.t);
      return undefined;
    }
  }

  /** Replaces everything by a world from its beginning; whether that was done. */
  async begin(world: string): Promise<boolean> {
    const begun = await this.attempt(async () => {
      await this.control.load(world, this.overview?.seed ?? 1);
      await this.#open();
      return true;
    });
    return begun ?? false;
  }

  chooseGuild(guild: GuildLine): Promise<void> {
    const open = async () => {
      this.guild = guild;
      this.#forgetPlace();
      const { members } = await this.control.people(guild.id, this.user?.id ?? '', 1);
      const someone = members[0] ?? (await this.control.people(guild.id, '', 1)).members[0];
      await this.#become(someone?.user);
    };
    return this.#change(() => this.#opening(open));
  }

  chooseUser(user: User): Promise<void> {
    return this.#change(() => this.#opening(() => this.#become(user, this.channel?.id)));
  }

  openChannel(id: string): Promise<void> {
    return this.#change(async () => {
      const known = this.findChannel(id);
      const elsewhere = known ?? this.posts?.find((post) => post.id === id);
      if (elsewhere) await this.#show(elsewhere);
    });
  }

  async #change(work: () => Promise<void>): Promise<void> {
    await this.attempt(work);
    const parts = [this.guild?.id, this.user?.id, this.channel?.id].filter(Boolean);
    history.replaceState(null, '', `#${parts.join('/')}`);
  }

  findChannel(id: string): Channel | undefined {
    const all = [this.place?.channels ?? [], this.place?.threads ?? [], this.dms];
    return all.flat().find((c) => c.id === id);
  }

  /** Opens a thread that was just made. */
  openThread(id: string): Promise<void> {
    return this.#change(async () => {
      await this.#readPlace();
      const thread = this.findChannel(id);
      if (thread) await this.#show(thread);
    });
  }

  /** Opens the direct messages with someone. */
  openDirect(user: string): Promise<void> {
    return this.#change(async () => {
      const opened = await this.#perform<{ id: string }>('open_dm', { target_id: user });
      await this.#readDms();
      const channel = opened && this.findChannel(opened.id);
      if (channel) await this.#show(channel);
    });
  }

  /** Shows the threads of the channel, or its messages again. */
  list(threads: boolean): Promise<unknown> {
    this.listing = threads;
    this.posts = undefined;
    return this.attempt(() => this.#readMessages());
  }

  /** Whether the user may do something in the channel that is open. */
  may = (bit: bigint): boolean => may(this.channel?.permissions, bit);

  /** Whether the user may do something in the whole server. */
  mayInServer = (bit: bigint): boolean => may(this.place?.permissions, bit);

  #forgetPlace(): void {
    this.place = this.members = this.audit = this.channel = this.messages = this.posts = undefined;
    this.refusal = this.commands = undefined;
    this.problems = {};
    this.isDeserted = false;
    this.listing = this.hasOlder = this.hasOlderPosts = this.hasOlderAudit = false;
    this.memberSearch = this.membersOf = '';
  }

  async #enter(channelId?: string): Promise<void> {
    this.replyTo = this.editing = undefined;
    this.modal = this.refusal = this.audit = this.commands = undefined;
    this.dms = [];
    const places = await Promise.allSettled([this.#readPlace(), this.#readDms(true)]);
    const channel = (channelId && this.findChannel(channelId)) || this.#firstChannel();
    this.messages = this.posts = undefined;
    this.channel = channel;
    const others = await Promise.allSettled([
      channel ? this.#show(channel) : this.#readCommands(),
      this.#readMembers(),
      this.#readAudit()
    ]);
    // What could be read is shown all the same.
    const failed = firstFailure([...places, ...others]);
    if (failed) throw failed.reason;
  }

  #firstChannel(): Channel | undefined {
    const sorted = [...(this.place?.channels ?? [])].sort((a, b) => a.position - b.position);
    return sorted.find((c) => c.type === 0) ?? sorted.find(hasMessages);
  }

  async #show(channel: Channel): Promise<void> {
    this.channel = channel;
    this.messages = this.posts = this.replyTo = this.editing = undefined;
    // What may be run differs between channels.
    this.commands = undefined;
    this.hasOlder = this.hasOlderPosts = this.listing = false;
    this.#note('messages');
    this.#note('commands');
    this.#look();
    await Promise.all([this.#readMessages(), this.#readCommands()]);
  }

  async #readDms(entering = false): Promise<void> {
    const user = this.user?.id;
    if (!user) return;
    const dms = await this.control.dms(user);
    if (user !== this.user?.id) return;
    if (entering) this.#seen = new Map(dms.map((dm) => [dm.id, dm.last_message_id]));
    this.dms = dms;
    this.#look();
  }

  /** Marks what is open as seen. */
  #look(): void {
    const open = this.dms.find((dm) => dm.id === this.channel?.id);
    if (open) this.#seen.set(open.id, open.last_message_id);
    const isNew = (dm: Channel) => dm.last_message_id && this.#seen.get(dm.id) !== dm.last_message_id;
    this.unseen = new Set(this.dms.filter(isNew).map((dm) => dm.id));
  }

  #invalidate(parts: Set<Part>): void {
    for (const part of parts) this.#stale.add(part);
    if (this.#timer === undefined && !this.#flushing) {
      this.#timer = setTimeout(() => void this.#flush(), GATHER_MS);
    }
  }

  async #flush(): Promise<void> {
    this.#timer = undefined;
    this.#flushing = true;
    const parts = this.#stale;
    this.#stale = new Set();
    // What else may be read follows from the place.
    const place = parts.delete('place') ? await Promise.allSettled([this.#readers.place()]) : [];
    const others = await Promise.allSettled([...parts].map((part) => this.#readers[part]()));
    const failed = firstFailure([...place, ...others]);
    if (failed) this.notice = reason(failed.reason, this.t);
    this.#flushing = false;
    if (this.#stale.size > 0) this.#invalidate(new Set());
  }

  /** Whether an answer to a question about `where` is still wanted. */
  #still(where: { guild?: string; user?: string; channel?: string }): boolean {
    return (
      where.guild === this.guild?.id &&
      where.user === this.user?.id &&
      (!('channel' in where) || where.channel === this.channel?.id)
    );
  }

  /** Keeps why a part could not be read, or that it was. */
  #note(part: Part, why?: string): void {
    if (this.problems[part] === why) return;
    const { [part]: _, ...others } = this.problems;
    this.problems = why === undefined ? others : { ...others, [part]: why };
  }

  /** Reads a part, and keeps why that failed while it is still asked for. */
  async #read(part: Part, work: () => Promise<void>): Promise<void> {
    const place = { guild: this.guild?.id, user: this.user?.id };
    const isOfChannel = part === 'messages' || part === 'commands';
    const where = isOfChannel ? { ...place, channel: this.channel?.id } : place;
    try {
      await work();
      if (this.#still(where)) this.#note(part);
    } catch (cause) {
      if (!this.#still(where)) return;
      this.#note(part, reason(cause, this.t));
      throw cause;
    }
  }

  /** Tries once more to read a part. */
  again(part: Part): Promise<unknown> {
    return this.attempt(() => (part === 'place' ? this.#open() : this.#readers[part]()));
  }

  async #readClock(): Promise<void> {
    this.overview = await this.control.overview();
    this.#clockReadAt = Date.now();
  }

  #readPlace = (): Promise<void> => this.#read('place', () => this.#fetchPlace());

  async #fetchPlace(): Promise<void> {
    const [guild, user] = [this.guild?.id, this.user?.id];
    if (!guild || !user) return;
    try {
      const place = await this.control.place(user, guild);
      if (!this.#still({ guild, user })) return;
      this.place = place;
      const joined = this.refusal !== undefined;
      this.refusal = undefined;
      const first = joined && !this.channel ? this.#firstChannel() : undefined;
      if (first) await this.#show(first);
      const current = this.channel && this.findChannel(this.channel.id);
      if (current) this.channel = current;
      else if (this.channel && !isThread(this.channel)) this.#leaveChannel();
    } catch (cause) {
      if (!(cause instanceof ControlError) || cause.status === 0) throw cause;
      if (!this.#still({ guild, user })) return;
      this.place = undefined;
      // Direct messages stay open to whoever was banned.
      if (!isDirect(this.channel)) this.#leaveChannel();
      this.refusal = cause;
    }
  }

  #leaveChannel(): void {
    this.channel = this.messages = this.posts = undefined;
    this.listing = false;
  }

  #readMessages = (): Promise<void> => this.#read('messages', () => this.#fetchMessages());

  async #fetchMessages(): Promise<void> {
    const [guild, user, channel] = [this.guild?.id, this.user?.id, this.channel];
    if (!user || !channel) return;
    const where = { guild, user, channel: channel.id };
    if (isForum(channel) || this.listing) {
      const posts = await this.control.threads(user, channel.id);
      if (!this.#still(where)) return;
      const known = this.posts && { items: this.posts, hasOlder: this.hasOlderPosts };
      const all = refreshed(known, posts, PAGE);
      this.posts = all.items;
      this.hasOlderPosts = all.hasOlder;
    }
    if (!hasMessages(channel)) return;
    const limit = Math.min(Math.max(this.messages?.length ?? 0, PAGE), FRESH);
    let newest: Message[];
    try {
      newest = await this.control.messages(user, channel.id, limit);
    } catch (cause) {
      // It was deleted, or hidden from the user.
      if (!(cause instanceof ControlError) || cause.status !== 404) throw cause;
      if (this.#still(where)) this.#leaveChannel();
      return;
    }
    if (!this.#still(where)) return;
    const known = this.messages && { items: this.messages.toReversed(), hasOlder: this.hasOlder };
    const all = refreshed(known, newest.toReversed(), limit);
    this.messages = all.items.toReversed();
    this.hasOlder = all.hasOlder;
  }

  /** Reads an older page of messages. */
  async loadOlder(): Promise<void> {
    const [user, channel, first] = [this.user, this.channel, this.messages?.[0]];
    if (!user || !channel || !first) return;
    const where = { guild: this.guild?.id, user: user.id, channel: channel.id };
    const older = await this.control.messages(user.id, channel.id, PAGE, first.id);
    if (!this.#still(where)) return;
    this.hasOlder = older.length === PAGE;
    this.messages = [...older, ...(this.messages ?? [])];
  }

  async loadOlderPosts(): Promise<void> {
    const [user, channel, last] = [this.user, this.channel, this.posts?.at(-1)];
    if (!user || !channel || !last) return;
    const older = await this.control.threads(user.id, channel.id, last.id);
    if (this.channel?.id !== channel.id) return;
    this.hasOlderPosts = older.length === PAGE;
    this.posts = [...(this.posts ?? []), ...older];
  }

  async loadOlderAudit(): Promise<void> {
    const [user, guild, last] = [this.user, this.guild, this.audit?.entries.at(-1)];
    if (!user || !guild || !last) return;
    const older = await this.control.audit(user.id, guild.id, last.id);
    if (!this.audit || !this.#still({ guild: guild.id, user: user.id })) return;
    this.hasOlderAudit = older.entries.length === PAGE;
    this.audit = {
      entries: [...this.audit.entries, ...older.entries],
      names: { ...older.names, ...this.audit.names }
    };
  }

  #readMembers = (): Promise<void> => this.#read('members', () => this.#fetchMembers());

  async #fetchMembers(): Promise<void> {
    const [guild, search] = [this.guild?.id, this.memberSearch];
    if (!guild) return;
    const members = await this.control.members(guild, search);
    if (guild !== this.guild?.id || search !== this.memberSearch) return;
    this.members = members;
    this.membersOf = search;
  }

  searchMembers(query: string): Promise<unknown> {
    this.memberSearch = query;
    return this.attempt(() => this.#readMembers());
  }

  #readAudit = (): Promise<void> => this.#read('audit', () => this.#fetchAudit());

  async #fetchAudit(): Promise<void> {
    const [guild, user] = [this.guild?.id, this.user?.id];
    if (!guild || !user) return;
    if (!this.mayInServer(MAY.viewAudit)) {
      this.audit = undefined;
      return;
    }
    const audit = await this.control.audit(user, guild);
    if (!this.#still({ guild, user })) return;
    const known = this.audit && { items: this.audit.entries, hasOlder: this.hasOlderAudit };
    const all = refreshed(known, audit.entries, PAGE);
    this.audit = { entries: all.items, names: { ...this.audit?.names, ...audit.names } };
    this.hasOlderAudit = all.hasOlder;
  }

  #readCommands = (): Promise<void> => this.#read('commands', () => this.#fetchCommands());

  async #fetchCommands(): Promise<void> {
    const [guild, user, channel] = [this.guild?.id, this.user?.id, this.channel];
    if (!guild || !user || !(this.place || isDirect(channel))) return;
    const scope = isDirect(channel) ? undefined : guild;
    const commands = await this.control.commands(user, scope, channel?.id);
    if (this.#still({ guild, user, channel: channel?.id })) this.commands = commands;
  }

  async #perform<Body>(act: string, body: Record<string, unknown>): Promise<Body | undefined> {
    const user = this.user;
    if (!user) return undefined;
    return (await this.control.act(user.id, act, body)) as Body;
  }

  /** An act as the user; its answer when it was allowed. What was refused becomes the notice. */
  async act<Body = unknown>(
    act: string,
    body: Record<string, unknown>
  ): Promise<{ body: Body | undefined } | undefined> {
    return this.attempt(async () => ({ body: await this.#perform<Body>(act, body) }));
  }

  /** Says something in the channel that is open, as a reply when there is one to reply to. */
  say(content: string, files: Upload[] = []) {
    const reply = this.replyTo && { message_reference: { message_id: this.replyTo.id } };
    return this.act('say', { channel_id: this.channel?.id, body: { content, ...reply }, files });
  }

  react(message: Message, emoji: string, on: boolean) {
    const where = { channel_id: message.channel_id, message_id: message.id };
    return this.act(on ? 'react' : 'unreact', { ...where, body: { emoji } });
  }

  /** Starts to edit the user's last message, when there is one; whether there is. */
  editLast(): boolean {
    const mine = this.messages?.findLast((message) => this.isMine(message));
    this.editing = mine?.id;
    return mine !== undefined;
  }

  /** Whether the user wrote a message, and not an application for them. */
  isMine = (message: Message): boolean =>
    message.author.id === this.user?.id && (message.type === 0 || message.type === 19);

  /** The last interaction that still waits for its answer. */
  get waiting(): string {
    return this.#pressed.at(-1)?.what ?? '';
  }

  /** Starts an interaction and shows what comes of it; whether it was taken. */
  async interact(wish: Omit<Interact, 'channel_id' | 'guild_id'>, what: string): Promise<boolean> {
    const place = { guild: this.guild?.id, user: this.user?.id, channel: this.channel?.id };
    const press = { what };
    const seen = await this.attempt(async () => {
      this.#pressed = [...this.#pressed, press];
      return await this.#interaction(wish);
    });
    this.#pressed = this.#pressed.filter((other) => other !== press);
    if (!seen) return false;
    // What came late is nothing to whoever, or wherever, was chosen meanwhile.
    if (!this.#still(place)) return true;
    if (seen.error) this.notice = seen.error;
    if (seen.modal) this.modal = { spec: seen.modal, message: wish.message_id };
    return true;
  }

  #interaction(wish: Omit<Interact, 'channel_id' | 'guild_id'>): Promise<Interacted> {
    const [user, channel] = [this.user, this.channel];
    if (!user || !channel) throw new Told('chat.openFirst');
    const guild = isDirect(channel) ? undefined : this.guild?.id;
    const place = { guild_id: guild, channel_id: channel.id };
    return this.control.interact(user.id, { ...place, ...wish });
  }

  /** What an application offers while an option is typed. */
  async complete(wish: Omit<Interact, 'channel_id' | 'guild_id' | 'kind'>) {
    const seen = await this.#interaction({ kind: 'autocomplete', ...wish });
    if (seen.error) throw new Error(seen.error);
    return seen.choices ?? [];
  }

  /** Name of a user, as far as it is known here. */
  userName = (id: string): string | undefined => {
    const member = this.members?.members.find((member) => member.user.id === id);
    if (member) return member.nick ?? shownName(member.user);
    if (this.user?.id === id) return shownName(this.user);
    const direct = this.dms.find((dm) => dm.recipient?.id === id)?.recipient;
    if (direct) return shownName(direct);
    const author = this.messages?.find((message) => message.author.id === id)?.author;
    return author && shownName(author);
  };
}
