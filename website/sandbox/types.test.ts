import { expect, it } from 'vitest';
import answers from './answers.json';
import type {
  Audit,
  Bans,
  Channel,
  Command,
  Guilds,
  Members,
  Message,
  Overview,
  Place,
  Refusal,
  Users
} from './types';

// The compiler holds the types against what the sandbox really answered.
const typed: {
  overview: Overview;
  guilds: Guilds;
  members: Members;
  guild: Place;
  messages: Message[];
  files: Message[];
  posts: Channel[];
  commands: Command[];
  audit: Audit;
  bans: Bans;
  dms: Channel[];
  users: Users;
  refusal: Refusal;
} = answers;

it('knows one answer of every kind', () => {
  expect(typed.guilds.total).toBe(4);
  expect(typed.messages.some((message) => message.reactions?.[0]?.me)).toBe(true);
  expect(typed.messages.some((message) => message.referenced_message)).toBe(true);
  expect(typed.commands.map((command) => command.name)).toEqual(['Report', 'greet']);
  expect(typed.audit.entries[0]?.action_type).toBe(22);
  expect(typed.bans.bans[0]?.reason).toBe('spam');
  expect(typed.dms.map((dm) => [dm.type, dm.name, dm.recipient?.bot])).toEqual([[1, 'Splashtail', true]]);
  expect(typed.users.total).toBe(5);
  expect(typed.refusal.code).toBe('not_found');
});
