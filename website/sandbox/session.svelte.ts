import { Control, ControlError } from './api';
import { now } from '$lib/ui/now.svelte';
import { follow, type Part } from './live';
import { shownName } from './names';
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
  User
} from './types';

const PAGE = 50;
/** Messages that are kept fresh; older ones stay as they were loaded. */
const FRESH = 200;
/** Changes within this time are read together. */
const GATHER_MS = 120;

const TEXTUAL = new Set([0, 2, 5, 10, 11, 12, 13]);
export const hasMessages = (channel: Channel) => TEXTUAL.has(channel.type);
export const isForum = (channel: Channel) => channel.type === 15 || channel.type === 16;
export const isThread = (channel: Channel) => channel.type >= 10 && channel.type <= 12;

/** What a refused or failed call says. */
export const reason = (cause: unknown) => (cause instanceof Error ? cause.message : String(cause));

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
  posts = $state.raw<Channel[]>();
  members = $state.raw<Members>();
  memberSearch = $state('');
  commands = $state.raw<Command[]>([]);
  audit = $state.raw<Audit>();
  auditRefusal = $state.raw<ControlError>();
  modal = $state.raw<{ spec: Modal; message?: string }>();
  replyTo = $state.raw<Message>();
  /** The last thing that went wrong, or nothing. */
  notice = $state('');
  /** Why nothing is live at the moment. */
  trouble = $state<string | null>(null);
  /** Set while an interaction waits for its answer. */
  waiting = $state('');

  #clockReadAt = 0;
  #stale = new Set<Part>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #flushing = false;

  constructor(control = new Control()) {
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
    let retry = true;
    while (retry && !signal.aborted) {
      try {
        await this.#open();
        retry = false;
      } catch (cause) {
        this.trouble = reason(cause);
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
        ontrouble: (message) => (this.trouble = message)
      },
      signal
    );
  }

  async #open(): Promise<void> {
    await this.#readClock();
    const [guildId, userId, channelId] = location.hash.slice(1).split('/');
    const { guilds } = await this.control.guilds('');
    let guild = guilds.find((guild) => guild.id === guildId);
    if (!guild && guildId) guild = (await this.control.guilds(guildId, 1)).guilds[0];
    guild ??= guilds[0];
    this.guild = guild;
    this.user = undefined;
    this.#forgetPlace();
    if (!guild) return;
    const people = await this.control.people(guild.id, userId ?? '', 1);
    const person = people.members[0] ?? (await this.control.people(guild.id, '', 1)).members[0];
    this.user = person?.user;
    if (this.user) await this.#enter(channelId);
  }

  /** Runs `work`; what goes wrong becomes the notice. */
  async attempt<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      this.notice = '';
      return await work();
    } catch (cause) {
      this.notice = reason(cause);
      return undefined;
    }
  }

  chooseGuild(guild: GuildLine): Promise<void> {
    return this.#change(async () => {
      this.guild = guild;
      this.#forgetPlace();
      const { members } = await this.control.people(guild.id, this.user?.id ?? '', 1);
      const someone = members[0] ?? (await this.control.people(guild.id, '', 1)).members[0];
      this.user = someone?.user;
      if (this.user) await this.#enter();
    });
  }

  chooseUser(user: User): Promise<void> {
    return this.#change(async () => {
      this.user = user;
      await this.#enter(this.channel?.id);
    });
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
    return [...(this.place?.channels ?? []), ...(this.place?.threads ?? [])].find((c) => c.id === id);
  }

  #forgetPlace(): void {
    this.place = this.members = this.audit = this.channel = this.messages = this.posts = undefined;
    this.refusal = this.auditRefusal = undefined;
    this.commands = [];
    this.memberSearch = '';
  }

  async #enter(channelId?: string): Promise<void> {
    this.replyTo = undefined;
    this.modal = undefined;
    await this.#readPlace();
    const channels = this.place?.channels ?? [];
    const wanted = channelId ? this.findChannel(channelId) : undefined;
    const sorted = [...channels].sort((a, b) => a.position - b.position);
    const channel = wanted ?? sorted.find((c) => c.type === 0) ?? sorted.find(hasMessages);
    this.messages = this.posts = undefined;
    this.channel = channel;
    await Promise.all([
      channel && this.#show(channel),
      this.#readMembers(),
      this.#readAudit(),
      this.#readCommands()
    ]);
  }

  async #show(channel: Channel): Promise<void> {
    this.channel = channel;
    this.messages = this.posts = this.replyTo = undefined;
    this.hasOlder = false;
    await this.#readMessages();
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
    const readers: Record<Part, () => unknown> = {
      clock: () => this.#readClock(),
      place: () => this.#readPlace(),
      messages: () => this.#readMessages(),
      members: () => this.#readMembers(),
      audit: () => this.#readAudit(),
      commands: () => this.#readCommands()
    };
    const work = [...parts].map((part) => readers[part]());
    const failed = (await Promise.allSettled(work)).find((done) => done.status === 'rejected');
    if (failed) this.notice = reason(failed.reason);
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

  async #readClock(): Promise<void> {
    this.overview = await this.control.overview();
    this.#clockReadAt = Date.now();
  }

  async #readPlace(): Promise<void> {
    const [guild, user] = [this.guild?.id, this.user?.id];
    if (!guild || !user) return;
    try {
      const place = await this.control.place(user, guild);
      if (!this.#still({ guild, user })) return;
      this.place = place;
      this.refusal = undefined;
      const current = this.channel && this.findChannel(this.channel.id);
      if (current) this.channel = current;
      else if (this.channel && !isThread(this.channel)) this.channel = this.messages = undefined;
    } catch (cause) {
      if (!(cause instanceof ControlError) || cause.status === 0) throw cause;
      if (!this.#still({ guild, user })) return;
      this.place = this.channel = this.messages = this.posts = undefined;
      this.refusal = cause;
    }
  }

  async #readMessages(): Promise<void> {
    const [guild, user, channel] = [this.guild?.id, this.user?.id, this.channel];
    if (!user || !channel) return;
    const where = { guild, user, channel: channel.id };
    if (isForum(channel)) {
      const posts = await this.control.threads(user, channel.id);
      if (this.#still(where)) this.posts = posts;
      return;
    }
    if (!hasMessages(channel)) return;
    const limit = Math.min(Math.max(this.messages?.length ?? 0, PAGE), FRESH);
    let newest: Message[];
    try {
      newest = await this.control.messages(user, channel.id, limit);
    } catch (cause) {
      // It was deleted, or hidden from the user.
      if (!(cause instanceof ControlError) || cause.status !== 404) throw cause;
      if (this.#still(where)) this.channel = this.messages = undefined;
      return;
    }
    if (!this.#still(where)) return;
    const first = newest[0]?.id;
    const kept = first ? (this.messages ?? []).filter((m) => BigInt(m.id) < BigInt(first)) : [];
    if (this.messages === undefined || newest.length < limit) this.hasOlder = newest.length === limit;
    this.messages = newest.length < limit ? newest : [...kept, ...newest];
  }

  /** Reads an older page; whether there was one. */
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
    if (this.channel?.id === channel.id) this.posts = [...(this.posts ?? []), ...older];
  }

  async loadOlderAudit(): Promise<void> {
    const [user, guild, last] = [this.user, this.guild, this.audit?.entries.at(-1)];
    if (!user || !guild || !last) return;
    const older = await this.control.audit(user.id, guild.id, last.id);
    if (!this.audit || !this.#still({ guild: guild.id, user: user.id })) return;
    this.audit = {
      entries: [...this.audit.entries, ...older.entries],
      names: { ...older.names, ...this.audit.names }
    };
  }

  async #readMembers(): Promise<void> {
    const [guild, search] = [this.guild?.id, this.memberSearch];
    if (!guild) return;
    const members = await this.control.members(guild, search);
    if (guild === this.guild?.id && search === this.memberSearch) this.members = members;
  }

  searchMembers(query: string): Promise<unknown> {
    this.memberSearch = query;
    return this.attempt(() => this.#readMembers());
  }

  async #readAudit(): Promise<void> {
    const [guild, user] = [this.guild?.id, this.user?.id];
    if (!guild || !user) return;
    try {
      const audit = await this.control.audit(user, guild);
      if (!this.#still({ guild, user })) return;
      this.audit = audit;
      this.auditRefusal = undefined;
    } catch (cause) {
      if (!(cause instanceof ControlError) || cause.status === 0) throw cause;
      if (!this.#still({ guild, user })) return;
      this.audit = undefined;
      this.auditRefusal = cause;
    }
  }

  async #readCommands(): Promise<void> {
    const [guild, user] = [this.guild?.id, this.user?.id];
    if (!guild || !user || !this.place) return;
    const commands = await this.control.commands(user, guild, this.channel?.id);
    if (this.#still({ guild, user })) this.commands = commands;
  }

  /** An act as the user; whether it was allowed. What was refused becomes the notice. */
  async act(act: string, body: Record<string, unknown>): Promise<boolean> {
    const user = this.user;
    if (!user) return false;
    const done = await this.attempt(async () => {
      await this.control.act(user.id, act, body);
      return true;
    });
    return done ?? false;
  }

  /** Any REST request as the user. */
  request(method: string, path: string, body: unknown = null): Promise<boolean> {
    return this.act('request', { body: { method, path, body } });
  }

  say(content: string): Promise<boolean> {
    const channel = this.channel?.id;
    const reply = this.replyTo?.id;
    const body = reply ? { content, message_reference: { message_id: reply } } : { content };
    return this.act('say', { channel_id: channel, body });
  }

  /** Starts an interaction and shows what comes of it; whether it was taken. */
  async interact(wish: Omit<Interact, 'channel_id' | 'guild_id'>, what: string): Promise<boolean> {
    const seen = await this.attempt(async () => {
      this.waiting = what;
      return await this.#interaction(wish);
    });
    this.waiting = '';
    if (!seen) return false;
    if (seen.error) this.notice = seen.error;
    if (seen.modal) this.modal = { spec: seen.modal, message: wish.message_id };
    return true;
  }

  #interaction(wish: Omit<Interact, 'channel_id' | 'guild_id'>): Promise<Interacted> {
    const [user, channel] = [this.user, this.channel];
    if (!user || !channel) throw new Error('Open a channel first.');
    const place = { guild_id: this.guild?.id, channel_id: channel.id };
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
    const author = this.messages?.find((message) => message.author.id === id)?.author;
    return author && shownName(author);
  };
}
