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

export const SERVER = '1100000000001179648';
export const JOB = '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b';

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

/** `answers[path]` is a status with a body, or a function that makes one. */
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
    '/mewld/api/cluster-health': [200, { locked: false, health: health([0, 1]) }]
  };
  const answers = { ...usual };
  const server = createServer(async (request, response) => {
    const path = new URL(request.url, 'http://localhost').pathname;
    const told = answers[path];
    if (told) {
      const [status, body] = typeof told === 'function' ? await told() : told;
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
