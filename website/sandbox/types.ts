// Bodies of the control API as this page reads them. `types.test.ts` holds them against
// `answers.json`, which a test of the sandbox holds against its real answers.

/** `GET /ctl/overview` */
export interface Overview {
  world: string;
  seed: number;
  /** Origin of the CDN. */
  cdn: string;
  /** Number of the newest entry of the journal. */
  journal: number;
  now_ms: number;
  rate: number;
}

export interface GuildLine {
  id: string;
  name: string;
  icon: string | null;
  owner_id: string;
  members: number;
}

/** `GET /ctl/guilds` */
export interface Guilds {
  total: number;
  guilds: GuildLine[];
}

export interface User {
  id: string;
  username: string;
  global_name: string | null;
  avatar: string | null;
  bot?: boolean;
}

export interface Member {
  user: User;
  nick: string | null;
  avatar: string | null;
  roles: string[];
  joined_at: string;
  communication_disabled_until: string | null;
}

/** `GET /ctl/users` */
export interface Users {
  total: number;
  users: User[];
}

/** `GET /ctl/as/{user}/bans` */
export interface Bans {
  total: number;
  bans: { user: User; reason: string | null }[];
}

/** `GET /ctl/guilds/{guild}/members` */
export interface Members {
  total: number;
  members: Member[];
}

export interface Role {
  id: string;
  name: string;
  color: number;
  position: number;
  managed: boolean;
}

export interface Channel {
  id: string;
  type: number;
  name: string;
  parent_id: string | null;
  position: number;
  topic: string | null;
  can_send: boolean;
  /** Bits of the acting user here, as a decimal number. */
  permissions: string;
  /** Of threads only, like the next three. */
  archived?: boolean;
  locked?: boolean;
  messages?: number;
  applied_tags?: string[];
  /** Of forums only, like the next. */
  tags?: { id: string; name: string }[];
  needs_tag?: boolean;
  /** Of direct messages only, like the next. */
  recipient?: User | null;
  last_message_id?: string | null;
}

export interface Voice {
  channel_id: string;
  user_id: string;
  name: string | null;
}

/** `GET /ctl/as/{user}/guild` */
export interface Place extends GuildLine {
  permissions: string;
  roles: Role[];
  emojis: { id: string; name: string; animated: boolean }[];
  channels: Channel[];
  threads: Channel[];
  voices: Voice[];
}

export interface Emoji {
  id?: string | null;
  name?: string | null;
  animated?: boolean;
}

export interface Attachment {
  id: string;
  filename: string;
  size: number;
  url: string;
  content_type?: string;
  width?: number;
  height?: number;
  description?: string;
}

export interface Picture {
  url: string;
}

export interface Embed {
  title?: string;
  description?: string;
  url?: string;
  color?: number;
  timestamp?: string;
  author?: { name: string; url?: string; icon_url?: string };
  footer?: { text: string; icon_url?: string };
  image?: Picture;
  thumbnail?: Picture;
  fields?: { name: string; value: string; inline?: boolean }[];
}

/** Any component of a message or a modal; which keys there are depends on `type`. */
export interface Component {
  type: number;
  custom_id?: string;
  style?: number;
  label?: string;
  description?: string;
  emoji?: Emoji;
  url?: string;
  disabled?: boolean;
  placeholder?: string;
  options?: SelectOption[];
  channel_types?: number[];
  min_values?: number;
  max_values?: number;
  min_length?: number;
  max_length?: number;
  required?: boolean;
  value?: string;
  content?: string;
  accent_color?: number | null;
  spoiler?: boolean;
  divider?: boolean;
  media?: Picture;
  file?: Picture;
  name?: string;
  items?: { media: Picture; description?: string | null; spoiler?: boolean }[];
  accessory?: Component;
  component?: Component;
  components?: Component[];
}

export interface SelectOption {
  label: string;
  value: string;
  description?: string;
  emoji?: Emoji;
  default?: boolean;
}

export interface Reaction {
  emoji: Emoji;
  count: number;
  me: boolean;
}

export interface Message {
  id: string;
  type: number;
  channel_id: string;
  author: User;
  /** Of the author, in guilds. */
  member?: { nick: string | null; roles: string[] };
  content: string;
  timestamp: string;
  edited_timestamp: string | null;
  flags: number;
  pinned: boolean;
  mentions: User[];
  mention_roles: string[];
  mention_everyone: boolean;
  attachments: Attachment[];
  embeds: Embed[];
  components: Component[];
  reactions?: Reaction[];
  sticker_items?: { id: string; name: string; format_type: number }[];
  referenced_message?: Message | null;
  thread?: { id: string; name: string };
  interaction?: { name: string; user: User };
}

export interface CommandOption {
  type: number;
  name: string;
  description: string;
  required?: boolean;
  autocomplete?: boolean;
  choices?: { name: string; value: string | number }[];
  options?: CommandOption[];
  channel_types?: number[];
  min_value?: number;
  max_value?: number;
  min_length?: number;
  max_length?: number;
}

export interface Command {
  id: string;
  /** 1 slash, 2 on users, 3 on messages. */
  type: number;
  name: string;
  description: string;
  options?: CommandOption[];
  application: { id: string; name: string };
}

export interface AuditEntry {
  id: string;
  action_type: number;
  user_id: string | null;
  target_id: string | null;
  reason?: string;
  changes?: { key: string; old_value?: unknown; new_value?: unknown }[];
  options?: Record<string, string>;
}

/** `GET /ctl/as/{user}/audit` */
export interface Audit {
  entries: AuditEntry[];
  /** Of users, channels, roles and others that the entries mention, by id. */
  names: Record<string, string>;
}

/** A refused call. */
export interface Refusal {
  code: string;
  message: string;
}

/** An entry of `GET /ctl/journal`. */
export interface Entry {
  seq: number;
  kind: string;
  /** Of requests. */
  method?: string;
  path?: string;
  status?: number;
  /** Of control calls. */
  act?: string;
}

/** A file of an act or an option. */
export interface Upload {
  filename: string;
  content_base64: string;
}

/** A REST answer to an act. */
export interface ActResult {
  status: number;
  body: unknown;
}

/** `POST /ctl/as/{user}/interact` */
export interface Interact {
  kind: 'slash' | 'autocomplete' | 'button' | 'select' | 'modal' | 'context_menu';
  guild_id?: string;
  channel_id: string;
  name?: string;
  custom_id?: string;
  message_id?: string;
  target_id?: string;
  options?: Record<string, OptionValue>;
  focused?: string;
  values?: string[] | Record<string, string | string[]>;
  wait_ms?: number;
}

export type OptionValue = string | number | boolean | Upload;

export interface Modal {
  custom_id: string;
  title: string;
  components: Component[];
}

/** What came up on the screen after an interaction. */
export interface Interacted {
  interaction_id: string;
  ack_ms: number | null;
  messages: Message[];
  modal?: Modal;
  choices?: { name: string; value: string | number }[];
  error?: string;
}

export type DrillKind = 'raid' | 'spam' | 'nuke' | 'token-leak';

/** `POST /ctl/drills` */
export interface NewDrill {
  kind: DrillKind;
  guild_id: string;
  size?: number;
  rate?: number;
  actors?: number;
  above_bot?: boolean;
  moderators?: boolean;
  own_token?: boolean;
  once?: boolean;
  acts?: string[];
  pace?: Pace;
  style?: RaidStyle;
  manner?: RaidManner;
  wave?: number;
  noticed_after?: number;
  watch_ms?: number;
}

export type Pace = 'steady' | 'uneven' | 'slow';
export type RaidStyle = 'fresh' | 'aged' | 'batch';
export type RaidManner = 'post' | 'join-leave' | 'rejoin' | 'request';

export type Counts = Record<string, number>;

/** How an attack on a guild went so far. */
export interface Drill {
  id: number;
  kind: string;
  guild_id: string;
  guild_name: string;
  /** `attacking`, `watching` or `finished`. */
  state: string;
  end: string | null;
  started_at: string;
  attackers: { total: number; in_guild: number; active: number };
  planned: number;
  attempted: number;
  succeeded: number;
  /** Of these, acts whose answer a fault kept back. */
  unheard: number;
  achieved: Counts;
  /** By error code. */
  refused: Counts;
  defended: Counts;
  undone: Counts;
  remains: Counts;
  times: Record<string, number | null>;
  timeline: { at_ms: number; side: string; what: string; count: number }[];
  /** By kind of act, those that were tried. */
  acts: ActOfDrill[];
  /** What the defence did to people who were not in it. */
  innocents: Counts;
}

export interface ActOfDrill {
  act: string;
  attempted: number;
  succeeded: number;
  undone: number;
  first_success_ms: number | null;
  first_defence_ms: number | null;
}
