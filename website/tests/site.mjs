// The built site before an API that answers as it is told: for states of pages that a running
// installation is rarely in.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../build', import.meta.url));
const DOCUMENT = fileURLToPath(new URL('../openapi.json', import.meta.url));
const KINDS = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.json': 'application/json'
};

export const SERVER = '1100000000001179648';
export const JOB = '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b';

const health = (shards) =>
  shards.map((shard_id) => ({ shard_id, up: shard_id !== 3, latency: 41 + shard_id, guilds: 1200, users: 340_000 }));

function instance(ClusterID, Shards, changes = {}) {
  return {
    StartedAt: '2026-01-01T00:00:00Z',
    SessionID: 'f3a1c9d27b6e4f0c8a5d1e2b3c4d5e6f',
    ClusterID,
    Shards,
    Active: true,
    ClusterHealth: health(Shards),
    CurrentlyKilling: false,
    LockClusterTime: null,
    LaunchedFully: true,
    LastChecked: '2026-01-01T00:05:00Z',
    Process: { State: 'running', Pid: 4711, Restarts: 2, Unresponsive: false },
    ...changes
  };
}

export function fleet(changes = {}) {
  return {
    LastClusterStartedAt: '2026-01-01T00:00:00Z',
    Map: ['Flare', 'Waffle', 'Scream', 'Shadow'].map((Name, ID) => ({ ID, Name, Shards: [2 * ID, 2 * ID + 1] })),
    Instances: [
      instance(0, [0, 1]),
      instance(1, [2, 3]),
      instance(2, [4, 5], { ClusterHealth: [], LaunchedFully: false, Process: { State: 'starting', Pid: 4712, Restarts: 0, Unresponsive: true } }),
      instance(3, [6, 7], { Active: false, ClusterHealth: null, LaunchedFully: false, Process: { State: 'held', Pid: null, Restarts: 5, Unresponsive: false } })
    ],
    ShardCount: 8,
    GetGatewayBot: {
      url: 'wss://gateway.discord.test',
      shards: 8,
      session_start_limit: { total: 1000, remaining: 812, reset_after: 0, max_concurrency: 1 }
    },
    Dir: '/srv/bot',
    RollRestarting: false,
    FullyUp: true,
    ...changes
  };
}

const LOG = [
  { event: 'cluster_started', id: 0, pid: 4711, ts: 1_767_225_600_000_000 },
  { event: 'ping_failure', id: 2, ts: 1_767_225_660_000_000 },
  { event: 'operator_command', action: 'restart', id: 1, user: '728871946456137770', ts: 1_767_225_720_000_000 },
  { event: 'something_new', detail: { deeply: ['nested'] }, ts: 1_767_225_780_000_000 }
];

const command = (qualified_name, changes = {}) => ({
  name: qualified_name.split(' ').at(-1),
  qualified_name,
  description: `What ${qualified_name} does`,
  nsfw: false,
  subcommands: [],
  subcommand_required: false,
  arguments: [],
  ...changes
});

const MODULES = [
  {
    id: 'server_backups',
    name: 'Server backups',
    description: 'Copies of the server, and what is in them',
    commands: [
      {
        command: command('backups', {
          subcommand_required: true,
          subcommands: [
            command('backups create', {
              arguments: [
                { name: 'messages', description: 'Whether messages are kept', required: true, choices: ['all', 'none'] },
                { name: 'password', description: null, required: false, choices: [] }
              ]
            }),
            command('backups list', { nsfw: true })
          ]
        }),
        extended_data: {
          '': { default_perms: { checks: [] } },
          create: { default_perms: { checks: [{ native_perms: ['8'], kittycat_perms: ['server_backups.create'] }] }, is_default_enabled: false }
        }
      }
    ]
  }
];


const task = (changes = {}) => ({
  task_id: JOB,
  task_name: 'guild_create_backup',
  expiry: 86_400e9,
  state: 'completed',
  created_at: '2026-01-01T00:00:00Z',
  ...changes
});

const TASKS = [
  task({ task_id: '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c', state: 'running' }),
  task(),
  task({ task_id: '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5d', task_name: 'some_new_kind', state: 'failed', expiry: null })
];

export const TASK = task({
  output: { filename: 'antiraid-backup-1100000000001179648.iblfile', segregated: false },
  task_info: { name: 'guild_create_backup', task_for: { id: SERVER, target_type: 'Server' }, task_fields: {}, expiry: 86_400e9, valid: true, encrypted: true },
  task_for: { id: SERVER, target_type: 'Server' },
  statuses: [
    { level: 'info', ts: 1_767_225_600.5, msg: 'Reading messages', channel: '1100000000001179700' },
    { level: 'warn', ts: 1_767_225_601, msg: '5 channels are hidden from the bot <b>left out</b>' },
    { level: 'info', ts: 1_767_225_602, msg: 'The backup is complete.' }
  ]
});

const guild = (id, name, changes = {}) => ({ id, name, avatar: '', permissions: '0', owner: false, ...changes });

const GUILDS = {
  guilds: [
    guild(SERVER, 'Harbour'),
    guild('1100000000005373952', 'A name that is <b>long</b> enough to be cut where there is no room for all of it'),
    guild('1100000000009568256', 'Orchard', { owner: true }),
    guild('1100000000013762560', 'Quarry', { permissions: '8' })
  ],
  has_bot: [SERVER],
  unknown_guilds: ['1100000000005373952']
};

const ROLES = {
  [SERVER]: ['everyone', 0, '1024'],
  '1100000000000000101': ['Admin', 9, '8'],
  '1100000000000000102': ['AntiRaid', 7, '402653334'],
  '1100000000000000103': ['Moderator', 5, '268435462'],
  '1100000000000000104': ['شاطئ', 3, '1024']
};

export const INFO = {
  owner_id: '1100000000000000010',
  name: 'Harbour',
  icon: null,
  roles: Object.fromEntries(
    Object.entries(ROLES).map(([id, [name, position, permissions]]) => [id, { id, guild_id: SERVER, color: position * 111_111, name, permissions, position, tags: {} }])
  ),
  user_roles: ['1100000000000000101'],
  bot_roles: ['1100000000000000102'],
  channels: []
};

/** A snowflake of so many milliseconds ago. */
const ago = (ms) => String(BigInt(Date.now() - ms - 1_420_070_400_000) << 22n);

const summary = (id, state, changes = {}) => ({ id, kind: 'actor', mode: 'on', state, alert_channel: null, alert_message: null, updated_at: '2026-01-01T00:00:00Z', ...changes });
const INCIDENT = ago(120_000);
export const INCIDENTS = [
  summary(INCIDENT, 'contained'),
  summary(ago(90_000_000), 'dry_run', { mode: 'dry_run', kind: 'webhook' }),
  summary(ago(4 * 86_400_000), 'unreachable', { kind: 'colluders' }),
  summary(ago(9 * 86_400_000), 'something_new')
];

const MARA = '1100000000000000012';
const begin = Number(BigInt(INCIDENT) >> 22n);
const act = (kind, after, name, target) => ({ actor: MARA, kind, target, entry: null, at: begin + after, before: name ? ['channel', { name }] : null });

export const DETAIL = {
  ...INCIDENTS[0],
  document: {
    suspects: [{ id: MARA, bot: false, column: 'moderator', link: 0, contained: begin + 1100, unreachable: false }, { id: '1100000000000000013', bot: false, column: 'administrator', link: 4, contained: null, unreachable: true }],
    rules: [
      { rule: 'limit', kind: 'channel_remove', span: 'minute', count: 80, limit: 60, together: false },
      { rule: 'instant', what: 'own_rights_raised' }
    ],
    acts: [
      act('channel_remove', 0, 'announcements', '1100000000000000201'),
      act('channel_remove', 300, '<script>alert(1)</script>', '1100000000000000202'),
      act('channel_remove', 600, 'شاطئ', '1100000000000000203'),
      act('channel_remove', 900, null, '1100000000000000204'),
      act('role_update', 950, null, '1100000000000000103'),
      act('kick', 980, null, '1100000000000000014')
    ],
    acts_in_all: 9,
    calls: [
      { call: { key: { actor: MARA, rung: 'take_roles', subject: MARA }, reason: 'more than 3' }, timing: { sent: begin + 1000, answered: begin + 1100 }, outcome: 'done', returned: false },
      { call: { key: { actor: '1100000000000000013', rung: 'kick', subject: '1100000000000000013' }, reason: 'more than 3' }, timing: { sent: begin + 1010, answered: begin + 1200 }, outcome: { refused: { status: 403, code: 50013 } }, returned: false }
    ],
    panic: false,
    losses: ['messages', 'ids'],
    by_hand: [],
    times: { act: begin + 900, received: begin + 990, decided: begin + 994, sent: begin + 1000, acknowledged: begin + 1100, alerted: begin + 1300, owner_told: null },
    updated: begin + 1300
  }
};

export const OVERVIEW = {
  state: 'not_put_back',
  incidents: INCIDENTS.slice(0, 3),
  health: {
    mode: 'on',
    findings: [
      { code: 'role_too_low', severity: 'bad', text: 'Roles stand above me.' },
      { code: 'hidden', severity: 'weak', text: 'Channels are hidden.' },
      { code: 'something_new', severity: 'advice', text: 'Something that this page does not know.' }
    ],
    steps: ['permissions', 'sight', 'position', 'alerts', 'limits', 'mode'].map((id, index) => ({ id, state: index < 1 ? 'done' : index === 4 ? 'passed' : 'open' })),
    channels: 47,
    hidden: [{ category: null, channels: ['1100000000000000301', '1100000000000000302'] }],
    lacking: [{ permissions: '128', modules: ['antinuke'], reasons: ['To see in the audit log who did what'] }],
    own_role: '1100000000000000102',
    roles_above: ['1100000000000000101'],
    alert_channel: null,
    invite: 'https://discord.test/oauth2/authorize'
  },
  backups: { newest: task(), running: [task({ task_id: '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c', state: 'running' })], next_at: '2026-01-02T11:00:00Z' }
};

const APPROVALS = [
  {
    id: '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4b01',
    operation: 'restore',
    summary: ['3 channels are deleted', '2 channels are made'],
    asked_by: '1100000000000000011',
    asked_at: '2026-01-01T00:00:00Z',
    expires_at: new Date(Date.now() + 11 * 60_000).toISOString(),
    state: 'open',
    outcome: null,
    ended_at: null,
    answers: []
  },
  {
    id: '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4b02',
    operation: 'settings',
    summary: ['Protection is switched off'],
    asked_by: '1100000000000000010',
    asked_at: '2026-01-01T00:00:00Z',
    expires_at: '2026-01-01T00:15:00Z',
    state: 'expired',
    outcome: 'Nobody answered in time.',
    ended_at: '2026-01-01T00:15:00Z',
    answers: []
  }
];

const column = (id, inner, changes = {}) => ({
  id,
  name: id.replaceAll('_', ' '),
  description: `What ${id} says`,
  column_type: { Scalar: { inner } },
  nullable: true,
  unique: false,
  secret: false,
  suggestions: { None: {} },
  ignored_for: [],
  ...changes
});
const text = (kind, allowed_values = []) => ({ String: { min_length: 1, max_length: 64, allowed_values, kind } });
const list = (id, kind) => column(id, text(kind), { column_type: { Array: { inner: text(kind) } } });
const setting = (id, primary_key, columns, changes = {}) => ({
  id,
  name: id.replaceAll('_', ' '),
  description: `What ${id} is for`,
  primary_key,
  title_template: `{${primary_key}}`,
  columns,
  operations: ['View', 'Create', 'Update', 'Delete'],
  max_return: 50,
  max_entries: 20,
  ...changes
});

const SETTINGS = [
  setting('protection_policy', 'policy', [column('policy', text('Normal', ['server'])), column('mode', text('Normal', ['off', 'dry_run', 'on'])), column('quarantine_role', text('Role')), column('backup_hours', { Integer: { min: 1, max: 720 } })], { max_entries: 1, operations: ['View', 'Update', 'Delete'] }),
  setting('protection_trust', 'who', [column('who', text('Modifier'))]),
  setting('limitactions', 'limit_type', [column('limit_type', text('Normal', ['ban', 'kick'])), column('first', text('Normal', ['take_roles', 'nothing']))]),
  setting('protection_maintenance', 'actor', [column('actor', text('User')), list('kinds', 'Normal'), column('until', { Timestamp: {} })]),
  setting('guild_roles', 'role_id', [column('role_id', text('Role')), list('perms', 'KittycatPermission'), column('index', { Integer: { min: 0, max: 10000 } })]),
  setting('guild_members', 'user_id', [column('user_id', text('User')), list('perm_overrides', 'KittycatPermission'), column('public', { Boolean: {} }, { nullable: false })])
];

const ROWS = {
  protection_policy: [{ policy: 'server', mode: 'dry_run', quarantine_role: null, backup_hours: 6 }],
  protection_trust: [{ who: 'user/1100000000000000011' }],
  protection_limits: [{ limit: 'channel_remove/moderator', minute: 3, hour: 6, day: null }],
  guild_roles: [
    { role_id: '1100000000000000101', perms: ['global.*'], index: 1 },
    { role_id: '1100000000000000103', perms: ['server_backups.create', '~server_backups.restore'], index: 2 }
  ]
};

const CHANGES = [
  { version: 7, at: '2026-01-01T00:00:00Z', by: '1100000000000000010', way: 'discord', undoes: null, edits: [{ setting: 'protection_policy', entry: 'server', before: { mode: 'off' }, after: { mode: 'dry_run' } }] },
  { version: 6, at: '2025-12-31T00:00:00Z', by: '1100000000000000011', way: 'something_new', undoes: 5, edits: [{ setting: 'protection_trust', entry: 'user/1', before: null, after: { who: 'user/1' } }] }
];

const member = (id, name, changes = {}) => ({
  user: { id, username: name.toLowerCase(), display_name: name, avatar: '', bot: false, status: null, flags: [], extra_data: {} },
  nick: null,
  roles: ['1100000000000000103'],
  perm_overrides: [],
  public: false,
  ...changes
});

const WEBHOOK = {
  id: '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4c01',
  name: 'Watch',
  url: 'https://example.test/a/very/long/address/that/has/no/place/to/break/at/all/0190a1b2c3d47e5f8a9b0c1d2e3f4c01',
  types: ['incident.opened', 'backup.late'],
  enabled: true,
  off: null,
  created_by: '1100000000000000010',
  created_at: '2026-01-01T00:00:00Z',
  vouched_by: '1100000000000000010'
};

const session = (id, name, changes = {}) => ({
  id,
  name,
  user_id: '1100000000000000010',
  created_at: '2026-01-01T00:00:00Z',
  type: 'login',
  perm_limits: [],
  expiry: '2026-02-01T00:00:00Z',
  last_used_at: null,
  current: false,
  ...changes
});

/** The plan of a restore that deletes something. */
export const PLAN = {
  kind: 'restore_plan',
  plan_hash: 'ab'.repeat(32),
  summary: '2 made, 1 changed, 1 deleted',
  counts: { channel: { create: 2, delete: 1 }, role: { edit: 1 } },
  at_least_seconds: 40,
  refusals: [],
  not_restored: [{ kind: 'role', id: '1100000000000000101', name: 'Admin', fields: [], code: 'above', why: 'it stands above the bot' }],
  effects: [
    { step: '1', operation: { create: { kind: 'channel', subject: { wanted: '1100000000000000201' }, body: { name: 'announcements' } } } },
    { step: '2', operation: { edit: { kind: 'role', subject: { live: '1100000000000000103' }, body: { permissions: '8' } } } },
    { step: '3', operation: { delete: { kind: 'channel', subject: { live: '1100000000000000209' } } } }
  ]
};

const OUTPUT = `/tasks/${JOB}/output`;

/** What a server's pages ask for, as somebody gets it who may everything. */
function serverAnswers() {
  const at = `/guilds/${SERVER}`;
  const of = (path) => `${at}/${path}`;
  return {
    [`/users/@me/guilds/${SERVER}`]: [200, INFO],
    [of('permissions')]: ({ commands }) => [200, { permissions: '8', commands: Object.fromEntries(commands.map((command) => [command, { allowed: true, result: { var: 'Ok' } }])) }],
    [of('shard')]: [200, { shard_id: 0, cluster_id: 0, cluster_name: 'Flare', up: true, latency: 41 }],
    [of('events')]: [503, { code: 'crowded', message: 'too many streams are open' }],
    [of('overview')]: [200, OVERVIEW],
    [of('health')]: [200, OVERVIEW.health],
    [of('incidents')]: [200, { incidents: INCIDENTS }],
    [of(`incidents/${INCIDENT}`)]: [200, DETAIL],
    [of(`incidents/${INCIDENT}/acts`)]: [202, { message: 'It is being put back.' }],
    [of(`incidents/${SERVER}/acts`)]: [202, { message: 'Panic.' }],
    [of('approvals')]: [200, { approvals: APPROVALS }],
    [of('jobs')]: [200, { tasks: TASKS.concat(task({ task_id: '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5e', created_at: '2025-12-31T00:00:00Z' })) }],
    [of(`jobs/${JOB}`)]: [200, TASK],
    [of(`jobs/${JOB}/log`)]: [503, { code: 'crowded', message: 'too many streams are open' }],
    [of(`jobs/${JOB}/output`)]: [200, { message: OUTPUT }],
    [of(`jobs/${JOB}/inspect`)]: [200, { revision: 7, container: 'iblfile', encryption: 'none', meta: {}, sections: [{ name: 'core/guild', size: 5120, sha256: 'ab' }], more: 0 }],
    [of('jobs/guild_restore_backup/plan')]: [200, { task_id: JOB, task_info: TASK.task_info }],
    [OUTPUT]: [200, PLAN],
    [of('schedules')]: [200, { schedules: [{ id: '1', job: 'guild_create_backup', cron: '0 11 * * *', next_at: '2026-01-02T11:00:00Z', last_task: null, keep_count: 30, keep_days: null }] }],
    [of('module-configurations')]: [200, [{ guild_id: SERVER, module: 'server_backups', disabled: true, default_perms: null }]],
    [of('command-configurations')]: [200, [{ guild_id: SERVER, command: 'backups list', disabled: null, perms: { Simple: { checks: [{ kittycat_perms: ['server_backups.list'], native_perms: ['32'], inner_and: true, outer_and: false }] } } }]],
    [of('permission-checks')]: [200, { checks: {}, text: '', everybody: false, roles: ['1100000000000000101'] }],
    [of('settings')]: ({ setting, operation, fields }) => [200, operation === 'View' ? { fields: ROWS[setting] ?? [], count: (ROWS[setting] ?? []).length, maximum: false } : { fields: [fields], version: 8 }],
    [of('settings/history')]: [200, { changes: CHANGES }],
    [of('settings/history/7/rollback')]: [200, { fields: [], version: 9 }],
    [of('members')]: [200, { members: [member(MARA, 'Mara', { perm_overrides: ['server_backups.*'], public: true }), member('1100000000000000013', 'A name without an end of thirty')] }],
    [of('webhooks')]: [200, { webhooks: [WEBHOOK] }],
    [of(`webhooks/${WEBHOOK.id}/messages`)]: [200, { messages: [{ id: 'msg_1', type: 'incident.opened', body: '{"type":"incident.opened"}', state: 'given_up', attempts: 9, due_at: null, status: 500, outcome: 'the address answered 500', created_at: '2026-01-01T00:00:00Z', tried_at: null }] }],
    [`/platform/user/${MARA}`]: [200, member(MARA, 'Mara').user],
    '/platform/user/1100000000000000010': [200, member('1100000000000000010', 'Olivia').user],
    '/platform/user/1100000000000000011': [200, member('1100000000000000011', 'Adam').user],
    '/platform/user/1100000000000000013': [200, member('1100000000000000013', '\u202eevaD <b>of a name without an end</b>').user],
    '/sessions': [200, { sessions: [session('1', '', { current: true, last_used_at: '2026-01-01T00:00:00Z' }), session('2', 'night backups', { type: 'api', perm_limits: ['server_backups.create'] }), session('3', 'everything', { type: 'api' })] }],
    '/modules': [200, MODULES.map((module) => ({ ...module, toggleable: true, commands_toggleable: true, config_options: SETTINGS }))]
  };
}

/** Who is signed in in this browser. */
export const person = (changes = {}) => ({
  user: {
    user: { id: '1100000000000000010', username: 'olivia', display_name: 'Olivia', avatar: '' },
    state: 'normal',
    vote_banned: false,
    created_at: '2026-01-01T00:00:00Z',
    updated_at: '2026-01-01T00:00:00Z',
    ...changes
  },
  expires_at: '2026-01-01T01:00:00Z',
  operator: false
});

/** The JSON of a request, if it has some. */
async function sent(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return parts.length > 0 ? JSON.parse(Buffer.concat(parts).toString()) : undefined;
}

/** `answers[path]` is a status with a body, or a function of what was sent that makes one. */
export async function startSite() {
  const usual = {
    '/openapi': [200, JSON.parse(await readFile(DOCUMENT, 'utf8'))],
    '/clusters/health': [200, fleet()],
    '/session': [200, { user: null, expires_at: null, operator: false }],
    '/users/@me/guilds': [200, GUILDS],
    '/config': [200, { client_id: '42', authorize_url: 'https://discord.test/oauth2/authorize' }],
    '/clusters/0/modules': [200, MODULES],
    '/auth/test': [200, { target_type: 'Server', id: SERVER, authorized: true, banned: false, data: {} }],
    [`/entities/${SERVER}/tasks`]: [200, { tasks: TASKS }],
    [`/entities/${SERVER}/tasks/${JOB}`]: [200, TASK],
    '/jobs/summary': [200, { pending: 1, running: 2, completed: 1300, failed: 4 }],
    '/mewld/api/instance-list': [200, fleet()],
    '/mewld/api/action-logs': [200, LOG],
    '/mewld/api/proxy': [200, { enabled: false, report: null }],
    '/mewld/api/cluster-health': [200, { locked: false, health: health([0, 1]) }],
    ...serverAnswers()
  };
  const answers = { ...usual };
  const server = createServer(async (request, response) => {
    const path = new URL(request.url, 'http://localhost').pathname;
    const told = answers[path];
    if (told) {
      const [status, body] = typeof told === 'function' ? await told(await sent(request)) : told;
      response.writeHead(status, { 'Content-Type': 'application/json' });
      response.end(JSON.stringify(body));
      return;
    }
    const plain = normalize(path).replace(/\/$/, '');
    for (const file of [plain, `${plain}.html`, `${plain}/index.html`]) {
      try {
        const content = await readFile(join(ROOT, file));
        response.writeHead(200, { 'Content-Type': KINDS[extname(file)] ?? 'application/octet-stream' });
        response.end(content);
        return;
      } catch {
        // The next name.
      }
    }
    response.writeHead(404, { 'Content-Type': KINDS['.html'] });
    response.end(await readFile(join(ROOT, '404.html')));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    incident: INCIDENT,
    address: `http://127.0.0.1:${server.address().port}`,
    /** Answers differently from now on; `null` as usual again. */
    tell(path, answer) {
      answers[path] = answer ?? usual[path];
    },
    stop() {
      server.closeAllConnections();
      server.close();
    }
  };
}
