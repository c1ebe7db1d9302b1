// Every page of the built site in its states: no fault that axe finds, nothing cut off, also
// mirrored and in other languages, and with storage that the browser refuses. Needs no installation.
//
// axe sees the tree of a page, its layout and its colours. It looks at each state in English, and at the pages with
// most on them in Arabic, where everything is mirrored. In the other languages a page has the tree and the colours that
// it has in one of these two: only texts differ, that none is missing is a test of the catalogues, and what longer
// words do to the layout is looked at on the same pages (`checkLayout`). English has all pages among the states;
// there it is enough that the language is right on one page per layout. States are looked at side by side, each taker with a pretended
// server and storage of its own, so that none hears what another is told.
//
//   CHROMIUM, SCREENSHOTS as for browser.mjs
//   STATES              only states whose names match this pattern, and no languages
//
// Prints one JSON object: {"states":80,"languages":5}.
import { availableParallelism } from 'node:os';
import { checkAccessibility, checkLayout } from './axe.mjs';
import { blockedStorage, expect, launch, observed, picture } from './browser.mjs';
import { DETAIL, fleet, INCIDENTS, JOB, OVERVIEW, person, PLAN, SERVER, startSite } from './site.mjs';

const AWAY = { code: 'fleet_unavailable', message: "the bot's clusters are starting or out of reach" };
const REFUSED = { code: 'unauthorized', message: "open the operators' page through its proxy" };
const LIST = '/mewld/api/instance-list';
const TASKS = `/entities/${SERVER}/tasks`;

/** Signs in with the form of the page that is open. */
async function signIn(page) {
  await page.getByRole('textbox', { name: 'Its ID' }).fill(SERVER);
  await page.getByLabel('Token', { exact: true }).fill('secret');
  await page.keyboard.press('Enter');
}

/** Somebody is signed in in this browser. */
const HERE = { '/session': [200, person()] };
const API = `/guilds/${SERVER}`;
const INTERNAL = [500, { code: 'internal', message: 'internal error' }];
const DENIED = [403, { code: 'forbidden', message: 'no', var: 'MissingAnyPerms', check: { kittycat_perms: ['server_backups.list'], native_perms: ['8'] } }];

/** A page of a server, for somebody who may everything there. */
const inServer = (section, more = '') => `/dashboard/guilds${section}?id=${SERVER}${more}`;
const heading = (name) => (page) => page.getByRole('heading', { level: 1, name }).waitFor();

/** States of a server's pages. */
const IN_SERVER = [
  { name: 'overview', path: inServer(''), ready: (page) => page.locator('[data-verdict="stopped"]').waitFor() },
  {
    name: 'overview-attack',
    path: inServer(''),
    tell: {
      [`${API}/overview`]: [200, { ...OVERVIEW, state: 'attack_running' }],
      [`${API}/incidents`]: [200, { incidents: [{ ...INCIDENTS[0], state: 'containing' }] }]
    },
    ready: (page) => page.locator('[data-verdict="attack"]').waitFor()
  },
  {
    name: 'overview-protected',
    path: inServer(''),
    tell: { [`${API}/overview`]: [200, { ...OVERVIEW, state: 'protected', incidents: [], health: { ...OVERVIEW.health, findings: [], hidden: [], steps: [] } }], [`${API}/incidents`]: [200, { incidents: [] }], [`${API}/approvals`]: [200, { approvals: [] }] },
    ready: (page) => page.locator('[data-verdict="protected"]').waitFor()
  },
  {
    name: 'overview-away',
    path: inServer(''),
    tell: { [`${API}/overview`]: [503, { code: 'cluster_unavailable', message: 'the cluster does not run' }] },
    ready: (page) => page.locator('[data-verdict="unknown"]').waitFor()
  },
  {
    name: 'overview-stale',
    path: inServer(''),
    ready: async (page, site) => {
      await page.locator('[data-verdict="stopped"]').waitFor();
      site.tell(`${API}/overview`, INTERNAL);
      await page.getByText(/^Connection lost/).first().waitFor();
      await page.locator('[data-verdict="unknown"]').waitFor();
      site.tell(`${API}/overview`, null);
    }
  },
  {
    name: 'bot-absent',
    path: inServer('/backups'),
    tell: { [`/users/@me/guilds/${SERVER}`]: [404, { code: 'not_found', message: 'the bot is not in this server' }] },
    ready: (page) => page.getByText('AntiRaid is not in this server').waitFor()
  },
  {
    name: 'panic',
    path: inServer('/incidents'),
    ready: async (page) => {
      await heading('Incidents')(page);
      await page.getByRole('button', { name: 'Panic' }).click();
      await page.getByRole('dialog').getByRole('button', { name: 'Start panic now' }).waitFor();
      await page.getByText('1 role is out of reach').waitFor();
    }
  },
  {
    name: 'goto',
    path: inServer('/incidents'),
    ready: async (page) => {
      await heading('Incidents')(page);
      await page.keyboard.press('Control+k');
      await page.getByRole('dialog', { name: 'Go to' }).waitFor();
      await page.keyboard.type('prot');
      await page.getByRole('dialog', { name: 'Go to' }).getByRole('option', { name: 'Protection' }).waitFor();
    }
  },
  { name: 'incidents', path: inServer('/incidents'), ready: (page) => page.locator('[data-incident]').nth(3).waitFor() },
  { name: 'incidents-none', path: inServer('/incidents'), tell: { [`${API}/incidents`]: [200, { incidents: [] }] }, ready: (page) => page.getByText('No incidents.').waitFor() },
  { name: 'incidents-denied', path: inServer('/incidents'), tell: { [`${API}/incidents`]: DENIED }, ready: (page) => page.getByText('You may not see or do this').waitFor() },
  { name: 'incidents-failed', path: inServer('/incidents'), tell: { [`${API}/incidents`]: INTERNAL }, ready: (page) => page.getByRole('alert').getByText('The incidents could not be loaded').waitFor() },
  { name: 'incident', path: inServer('/incident', '&incident=INCIDENT'), ready: (page) => page.locator('[data-entry]').nth(5).waitFor() },
  {
    name: 'incident-part',
    path: inServer('/incident', '&incident=INCIDENT'),
    ready: async (page) => {
      await page.locator('[data-part="roles"]').getByRole('checkbox').uncheck();
      await page.getByRole('button', { name: 'Plan to put 4 things back' }).click();
      await page.getByRole('dialog').waitFor();
    }
  },
  {
    name: 'incident-undo',
    path: inServer('/incident', '&incident=INCIDENT'),
    tell: { [`${API}/incidents/INCIDENT/acts`]: [403, { code: 'not_yours', message: 'only the owner can do that' }] },
    ready: async (page) => {
      await page.getByRole('button', { name: 'Give roles back…' }).click();
      await page.getByRole('dialog').getByRole('button', { name: 'Give roles back' }).click();
      await page.getByRole('dialog').getByText('only the owner can do that').waitFor();
    }
  },
  {
    name: 'incident-watched',
    path: inServer('/incident', '&incident=INCIDENT'),
    tell: { [`${API}/incidents/INCIDENT`]: [200, { ...DETAIL, mode: 'dry_run', state: 'dry_run' }] },
    ready: (page) => page.getByText('Protection only watched').waitFor()
  },
  { name: 'incident-missing', path: inServer('/incident', '&incident=1'), tell: { [`${API}/incidents/1`]: [404, { code: 'not_found', message: 'no such incident' }] }, ready: heading(/^This incident does not exist/) },
  {
    name: 'protection',
    path: inServer('/protection'),
    ready: async (page) => {
      await page.locator('[data-limit="channel_remove"] summary').click();
      await page.getByRole('textbox', { name: 'Moderators, in a minute' }).fill('7');
      await page.getByText('A longer time cannot have a smaller number.').waitFor();
      await page.getByRole('radio', { name: 'Off' }).check();
      await page.locator('[data-save-bar]').waitFor();
    }
  },
  {
    name: 'protection-guarded',
    path: inServer('/protection'),
    ready: async (page, site) => {
      await page.getByRole('radio', { name: 'Off' }).check();
      site.tell(`${API}/settings`, [409, { code: 'guarded', message: 'in this server a second trusted person has to agree' }]);
      await page.locator('[data-save-bar]').getByRole('button', { name: 'Save' }).click();
      await page.getByText('in this server a second trusted person has to agree').waitFor();
      site.tell(`${API}/settings`, null);
    }
  },
  { name: 'approvals', path: inServer('/approvals'), ready: (page) => page.getByRole('button', { name: 'Approve…' }).waitFor() },
  { name: 'approvals-none', path: inServer('/approvals'), tell: { [`${API}/approvals`]: [200, { approvals: [] }] }, ready: (page) => page.getByText('Nothing waits for anybody.').waitFor() },
  { name: 'server-backups', path: inServer('/backups'), ready: (page) => page.locator('[data-backup]').nth(1).waitFor() },
  {
    name: 'inspect',
    path: inServer('/backups'),
    ready: async (page) => {
      await page.getByRole('button', { name: /^Verify/ }).first().click();
      await page.getByText('The file is sound').waitFor();
    }
  },
  { name: 'server-job', path: inServer('/job', `&job=${JOB}`), ready: (page) => page.locator('[data-line]').nth(2).waitFor() },
  {
    name: 'restore',
    path: inServer('/restore', `&backup=${JOB}`),
    tell: { [`${API}/jobs/${JOB}/output`]: [200, { message: '/plan' }], '/plan': [200, PLAN] },
    ready: async (page) => {
      await page.getByRole('button', { name: 'Go on' }).click();
      await page.getByRole('button', { name: 'Show the plan' }).click();
      await page.locator('[data-plan]').waitFor();
    }
  },
  {
    name: 'restore-typed',
    path: inServer('/restore', `&backup=${JOB}`),
    ready: async (page) => {
      await page.getByRole('button', { name: 'Go on' }).click();
      await page.getByRole('button', { name: 'Show the plan' }).click();
      await page.locator('[data-plan]').waitFor();
      await page.getByRole('button', { name: 'Restore…' }).click();
      await page.getByRole('button', { name: 'Restore and delete 1 thing' }).click();
      await page.getByText('Type “Harbour”.').waitFor();
    }
  },
  { name: 'modules', path: inServer('/modules'), ready: (page) => page.locator('[data-module="server_backups"][data-on="false"]').waitFor() },
  {
    name: 'server-commands',
    path: inServer('/commands'),
    ready: async (page) => {
      await page.locator('[data-command="backups list"] button').click();
      await page.locator('[data-rule="0"]').waitFor();
    }
  },
  {
    name: 'settings',
    path: inServer('/settings', '&setting=guild_roles'),
    ready: async (page) => {
      await page.locator('[data-row]').first().locator('summary').click();
      await page.locator('[data-column="perms"]').waitFor();
    }
  },
  {
    name: 'settings-wrong',
    path: inServer('/settings', '&setting=protection_policy'),
    ready: async (page) => {
      await page.getByRole('textbox', { name: 'backup hours' }).fill('900');
      await page.getByRole('button', { name: 'Save' }).click();
      await page.getByText('From 1 to 720.').waitFor();
    }
  },
  {
    name: 'members',
    path: inServer('/members'),
    ready: async (page) => {
      await page.locator('[data-member]').first().getByRole('button').click();
      await page.locator('[data-column="perm_overrides"]').waitFor();
    }
  },
  {
    name: 'history',
    path: inServer('/history'),
    ready: async (page) => {
      await page.locator('[data-change="7"]').getByRole('button', { name: 'Roll back…' }).click();
      await page.getByRole('dialog').waitFor();
    }
  },
  {
    name: 'webhooks',
    path: inServer('/webhooks'),
    ready: async (page) => {
      await page.getByRole('button', { name: 'Deliveries' }).click();
      await page.locator('[data-delivery]').waitFor();
    }
  },
  { name: 'setup', path: inServer('/setup'), ready: (page) => page.locator('[data-step="sight"]').waitFor() },
  {
    name: 'consent',
    path: `/consent?id=${SERVER}`,
    tell: { [`/users/@me/consents/${SERVER}`]: [200, { server_id: SERVER, name: 'Harbour', avatar: '', given_at: null }] },
    ready: (page) => page.getByRole('button', { name: 'Allow it' }).waitFor()
  },
  {
    name: 'consent-given',
    path: `/consent?id=${SERVER}`,
    tell: { [`/users/@me/consents/${SERVER}`]: [200, { server_id: SERVER, name: 'Harbour', avatar: '', given_at: '2026-11-30T18:05:00Z' }] },
    ready: (page) => page.getByRole('button', { name: 'Take it back' }).waitFor()
  },
  {
    name: 'consents',
    path: '/dashboard/consents',
    tell: { '/users/@me/consents': [200, { consents: [{ server_id: SERVER, name: 'Harbour', given_at: '2026-11-30T18:05:00Z' }] }] },
    ready: (page) => page.locator(`[data-server="${SERVER}"]`).waitFor()
  },
  {
    name: 'developers',
    path: '/dashboard/developers',
    ready: async (page) => {
      await page.locator('[data-session="2"]').waitFor();
      await page.getByRole('button', { name: 'Make the token' }).click();
      await page.getByText('The name is missing.').waitFor();
    }
  }
].map((state) => ({ ...state, tell: { ...HERE, ...state.tell } }));

/** Name, address, what the API says, and how the state comes about. */
const STATES = [
  ...IN_SERVER,
  { name: 'invite', path: '/invite', ready: (page) => page.getByRole('link', { name: 'Go to Discord' }).waitFor() },
  { name: 'invite-none', path: '/invite', tell: { '/config': [200, { client_id: null, authorize_url: 'https://discord.test' }] }, ready: (page) => page.getByText(/does not say which bot/).waitFor() },
  { name: 'discord', path: '/discord', ready: (page) => page.getByText(/names no support server/).waitFor() },
  { name: 'about', path: '/about', ready: heading('What AntiRaid is') },
  { name: 'legal', path: '/legal', ready: heading('Legal') },
  { name: 'terms', path: '/legal/terms', ready: heading('Terms') },
  { name: 'privacy', path: '/legal/privacy', ready: heading('Privacy') },
  {
    name: 'landing',
    path: '/',
    ready: (page) => page.getByText(/^Looks after [\d,]+ servers now/).waitFor()
  },
  {
    name: 'menu',
    path: '/',
    tell: { '/clusters/health': [412, AWAY] },
    ready: async (page) => {
      await page.getByRole('button', { name: 'Menu' }).click();
      await page.getByRole('combobox', { name: 'Language' }).waitFor();
    }
  },
  { name: 'status', path: '/status', ready: (page) => page.locator('[data-cluster="3"]').waitFor() },
  {
    name: 'status-starting',
    path: '/status',
    tell: { '/clusters/health': [412, AWAY], '/jobs/summary': [500, { code: 'internal', message: 'internal error' }] },
    ready: (page) => page.getByRole('alert').waitFor()
  },
  {
    name: 'status-stale',
    path: '/status',
    ready: async (page, site) => {
      await page.locator('[data-cluster="3"]').waitFor();
      site.tell('/clusters/health', [500, { code: 'internal', message: 'internal error' }]);
      await page.getByText(/^Connection lost/).first().waitFor();
    }
  },
  {
    name: 'status-server',
    path: '/status?guild=1100000000017956864',
    ready: (page) => page.locator('[data-part="true"]').waitFor()
  },
  {
    name: 'status-empty',
    path: '/status',
    tell: {
      '/clusters/health': [200, fleet({ Instances: [], Map: [] })],
      '/jobs/summary': [200, { pending: 0, running: 0, completed: 0, failed: 0 }]
    },
    ready: (page) => page.getByText('No clusters are planned yet.').waitFor()
  },
  {
    name: 'cluster',
    path: '/status',
    ready: async (page) => {
      await page.locator('[data-cluster="1"] button').click();
      await page.getByRole('dialog').waitFor();
    }
  },
  { name: 'api', path: '/docs/splashtail', ready: (page) => page.locator('[data-operation]').first().waitFor() },
  {
    name: 'api-operation',
    path: '/docs/splashtail#create_task',
    ready: async (page) => {
      await page.locator('#create_task textarea').waitFor();
      await page.locator('#get_jobs_summary summary').first().click();
      await page.getByRole('button', { name: /^Send GET \/jobs\/summary/ }).click();
      await page.locator('#get_jobs_summary pre').first().waitFor();
    }
  },
  {
    name: 'api-failed',
    path: '/docs/splashtail',
    tell: { '/openapi': [500, {}] },
    ready: (page) => page.getByRole('alert').waitFor()
  },
  { name: 'operators', path: '/mewld/', ready: (page) => page.locator('[data-log] li').nth(3).waitFor() },
  {
    name: 'operators-busy',
    path: '/mewld/',
    tell: { [LIST]: [200, fleet({ RollRestarting: true, FullyUp: false })] },
    ready: async (page) => {
      await page.locator('[data-cluster="0"] button[aria-expanded]').click();
      await page.locator('[data-shard]').first().waitFor();
      await page.getByRole('checkbox', { name: 'Show raw answers' }).check();
      await page.locator('[data-raw]').waitFor();
    }
  },
  {
    name: 'operators-confirm',
    path: '/mewld/',
    tell: { '/mewld/api/redis/pub': [409, { code: 'locked', message: 'the cluster is locked' }] },
    ready: async (page) => {
      await page.locator('[data-action="restartproc"]').click();
      await page.keyboard.type('restart launcher');
      await page.keyboard.press('Enter');
      await page.getByRole('dialog').getByRole('alert').waitFor();
    }
  },
  {
    name: 'operators-closed',
    path: '/mewld/',
    tell: { [LIST]: [401, REFUSED] },
    ready: (page) => page.getByRole('alert').waitFor()
  },
  {
    name: 'commands',
    path: '/commands',
    ready: async (page) => {
      await page.locator('[data-command="backups create"] summary').click();
      await page.getByText('Administrator in Discord').waitFor();
    }
  },
  {
    name: 'commands-none',
    path: '/commands',
    ready: async (page) => {
      await page.locator('[data-command]').first().waitFor();
      await page.getByRole('searchbox').fill('no such command');
      await page.getByText('No command of that name.').waitFor();
    }
  },
  {
    name: 'commands-unknown',
    path: '/commands',
    tell: { '/clusters/0/modules': [503, { code: 'cluster_unavailable', message: 'the cluster does not run' }] },
    ready: (page) => page.getByText('The commands are not known').waitFor()
  },
  {
    name: 'signin',
    path: '/dashboard',
    ready: async (page) => {
      await page.getByRole('button', { name: 'Sign in' }).click();
      await page.getByText('An ID has 17 to 20 digits.').waitFor();
    }
  },
  {
    name: 'signin-refused',
    path: '/dashboard',
    tell: { '/auth/test': [401, { code: 'unauthorized', message: 'this token is not valid' }] },
    ready: async (page) => {
      await signIn(page);
      await page.getByRole('alert').getByText('This token is not valid for that ID').waitFor();
    }
  },
  {
    name: 'dashboard',
    path: '/dashboard',
    ready: async (page) => {
      await signIn(page);
      await page.getByRole('link', { name: 'Server …9648' }).last().waitFor();
    }
  },
  {
    name: 'picker',
    path: '/dashboard',
    tell: { '/session': [200, { ...person(), operator: true }] },
    ready: (page) => page.getByRole('link', { name: 'Add AntiRaid to Orchard' }).waitFor()
  },
  {
    name: 'picker-none',
    path: '/dashboard',
    tell: { '/session': [200, person()], '/users/@me/guilds': [200, { guilds: [], has_bot: [], unknown_guilds: [] }] },
    ready: (page) => page.getByText('You are in no server.').waitFor()
  },
  {
    name: 'picker-failed',
    path: '/dashboard',
    tell: { '/session': [200, person()], '/users/@me/guilds': [503, { code: 'discord_unavailable', message: 'Discord cannot be reached' }] },
    ready: (page) => page.getByRole('alert').getByText('Your servers could not be loaded').waitFor()
  },
  {
    name: 'banned',
    path: '/dashboard',
    tell: { '/session': [200, person({ state: 'banned' })] },
    ready: (page) => page.getByRole('heading', { name: 'You are banned from AntiRaid' }).waitFor()
  },
  {
    name: 'session-unknown',
    path: '/dashboard',
    tell: { '/session': [500, { code: 'internal', message: 'internal error' }] },
    ready: (page) => page.getByRole('alert').getByText('It is not known whether you are signed in').waitFor()
  },
  {
    name: 'signed-out',
    path: '/dashboard',
    ready: async (page) => {
      await signIn(page);
      await page.getByRole('button', { name: 'Sign out' }).click();
      await page.getByRole('button', { name: 'Undo' }).waitFor();
    }
  },
  {
    name: 'backups',
    path: `/dashboard/guilds?id=${SERVER}`,
    ready: async (page) => {
      await signIn(page);
      await page.locator('[data-task]').nth(2).waitFor();
    }
  },
  {
    name: 'backups-none',
    path: `/dashboard/guilds/backups?id=${SERVER}`,
    tell: { [TASKS]: [200, { tasks: [] }] },
    ready: async (page) => {
      await signIn(page);
      await page.getByText('Nothing to go back to yet.').waitFor();
    }
  },
  {
    name: 'backups-over',
    path: `/dashboard/guilds/backups?id=${SERVER}`,
    tell: { [TASKS]: [401, { code: 'unauthorized', message: 'this token is not valid' }] },
    ready: async (page) => {
      await signIn(page);
      await page.getByRole('dialog', { name: 'Your session is over' }).waitFor();
    }
  },
  {
    name: 'backups-foreign',
    path: '/dashboard/guilds/backups?id=1100000000005373952',
    ready: async (page) => {
      await signIn(page);
      await page.getByText('This token belongs to another server').waitFor();
    }
  },
  {
    name: 'backup-dialog',
    path: `/dashboard/guilds/backups?id=${SERVER}`,
    ready: async (page) => {
      await signIn(page);
      await page.getByRole('button', { name: 'Back up now…' }).first().click();
      await page.getByLabel('Password (not needed)').fill('correct horse');
      await page.getByRole('button', { name: 'Back up now', exact: true }).click();
      await page.getByText('The two passwords differ.').waitFor();
    }
  },
  {
    name: 'job',
    path: `/dashboard/guilds/job?id=${SERVER}&job=${JOB}`,
    ready: async (page) => {
      await signIn(page);
      await page.getByText('5 channels are hidden from the bot <b>left out</b>').waitFor();
    }
  },
  {
    name: 'job-missing',
    path: `/dashboard/guilds/job?id=${SERVER}&job=nothing`,
    tell: { [`${TASKS}/nothing`]: [404, { code: 'not_found', message: 'no such task' }] },
    ready: async (page) => {
      await signIn(page);
      await page.getByRole('heading', { name: /^This job does not exist/ }).waitFor();
    }
  },
  { name: 'guides', path: '/guides', ready: (page) => page.getByRole('link', { name: 'From a clone to a verified backup' }).waitFor() },
  { name: 'guide', path: '/guides/operating', ready: (page) => page.getByRole('article').getByRole('table').first().waitFor() },
  { name: 'accessibility', path: '/accessibility', ready: (page) => page.getByRole('link', { name: 'Report a problem' }).waitFor() },
  { name: 'missing', path: '/no-such-page', ready: (page) => page.getByRole('link', { name: 'Home' }).waitFor() }
];

/** One more than there are processors: while one page loads, others are looked at. */
const TAKERS = Math.min(4, availableParallelism() + 1);
const ENGLISH = { locale: 'en', viewport: { width: 1280, height: 800 } };

/** Each piece of work is done once, several at a time; after a fault no other is begun. */
async function beside(browser, work, take) {
  const left = [...work];
  const taker = async () => {
    const site = await startSite();
    try {
      const context = await browser.newContext(ENGLISH);
      for (let piece = left.shift(); piece; piece = left.shift()) await take(site, piece, context);
      await context.close();
    } catch (error) {
      left.length = 0;
      throw error;
    } finally {
      site.stop();
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: TAKERS }, taker));
  const faults = ended.filter(({ status }) => status === 'rejected').map(({ reason }) => reason.message ?? reason);
  expect(faults.length === 0, faults.join('\n'));
}

async function checkState(context, site, { name, path, tell = {}, ready }) {
  const named = (address) => address.replaceAll('INCIDENT', site.incident);
  for (const [address, answer] of Object.entries(tell)) site.tell(named(address), answer);
  const { page } = await observed(context);
  try {
    await page.goto(site.address + named(path), { waitUntil: 'load' });
    await ready(page, site);
    await checkAccessibility(page, name);
  } catch (error) {
    throw new Error(`${name}: ${error.message}`);
  }
  await page.close();
  for (const address of [...Object.keys(tell), '/clusters/health']) site.tell(named(address), null);
}

function checkStates(browser) {
  const wanted = new RegExp(process.env.STATES ?? '');
  const states = STATES.filter(({ name }) => wanted.test(name));
  return beside(browser, states, (site, state, context) => checkState(context, site, state));
}

/** A command that is being sent keeps its dialog, whatever is pressed. */
async function checkOutcome(context, site) {
  let answer;
  const pending = new Promise((resolve) => (answer = resolve));
  site.tell('/mewld/api/redis/pub', () => pending);
  const { page } = await observed(context);
  await page.goto(`${site.address}/mewld/`, { waitUntil: 'load' });
  await page.locator('[data-action="restartproc"]').click();
  await page.keyboard.type('restart launcher');
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Working…' }).waitFor();
  for (let n = 0; n < 3; n += 1) await page.keyboard.press('Escape');
  expect(await dialog.isVisible(), 'Escape hides a command that is under way');
  answer([409, { code: 'locked', message: 'the cluster is locked' }]);
  await dialog.getByText('the cluster is locked').waitFor();
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  await page.close();
  site.tell('/mewld/api/redis/pub', null);
}

async function chooseLanguage(page, code) {
  await page.getByRole('button', { name: 'Menu' }).click();
  await page.getByRole('combobox', { name: 'Language' }).selectOption(code);
}

/** Something of what a page is about. */
const THERE = '[data-cluster], [data-operation], [data-command], [data-servers], [data-session], [data-verdict], [data-entry], [data-limit], [data-backup], [data-setting], [data-rank], [data-change], [data-step]';

const OUTSIDE = ['/', '/status', '/commands', '/mewld/', '/docs/splashtail', '/dashboard/developers'];
const INSIDE = ['', '/incident', '/protection', '/backups', '/commands', '/settings', '/members', '/history', '/setup'];
const ALL_PAGES = [...OUTSIDE, ...INSIDE.map((section) => inServer(section, '&incident=INCIDENT'))];
const ONE_PER_LAYOUT = ['/', '/mewld/', '/docs/splashtail', '/dashboard/developers', inServer('')];

/** What takes longest comes first. What nobody speaks has long words (`en-XA`), and is mirrored (`en-XB`). */
const LOOKED_AT = [
  { code: 'ar', dir: 'rtl', pages: ALL_PAGES, look: checkAccessibility },
  { code: 'de', dir: 'ltr', pages: ALL_PAGES, look: checkLayout },
  { code: 'en-XA', dir: 'ltr', pages: ALL_PAGES, look: checkLayout },
  { code: 'en-XB', dir: 'rtl', pages: ALL_PAGES, look: checkLayout },
  { code: 'en', dir: 'ltr', pages: ONE_PER_LAYOUT, look: checkLayout }
];

/** Each language is chosen once and stays; the right-to-left ones mirror the page. */
async function checkLanguage(browser, site, { code, dir, pages, look }) {
  site.tell('/session', HERE['/session']);
  const context = await browser.newContext(ENGLISH);
  const { page, problems } = await observed(context);
  // What nobody speaks cannot be chosen in the menu.
  await context.addInitScript((code) => code.includes('-') && localStorage.setItem('language', code), code);
  await page.goto(site.address, { waitUntil: 'load' });
  if (!code.includes('-')) await chooseLanguage(page, code);
  for (const path of pages.map((path) => path.replaceAll('INCIDENT', site.incident))) {
    await page.goto(site.address + path, { waitUntil: 'load' });
    await page.waitForFunction(
      ([code, dir]) => document.documentElement.lang === code && document.documentElement.dir === dir,
      [code, dir]
    );
    await page.locator(THERE).first().waitFor();
    await look(page, `${code}${path.split('?')[0].replaceAll('/', '-')}`);
  }
  // The streams of the pretended server are full.
  const faults = problems.filter((problem) => !/\/(events|log) *$|503/.test(problem));
  expect(faults.length === 0, `in ${code} the page reports problems:\n${faults.join('\n')}`);
  await context.close();
  site.tell('/session', null);
}

async function checkLanguages(browser) {
  await beside(browser, LOOKED_AT, (site, language) => checkLanguage(browser, site, language));
  return LOOKED_AT.length;
}

async function checkBlockedStorage(site) {
  await blockedStorage(async (context) => {
    const { page, problems } = await observed(context);
    await page.goto(`${site.address}/status`, { waitUntil: 'load' });
    const refused = await page.evaluate(() => {
      try {
        return localStorage.length < 0;
      } catch (error) {
        return error.name === 'SecurityError';
      }
    });
    expect(refused, 'storage is not blocked');
    await page.locator('[data-cluster="3"]').waitFor();
    await page.getByRole('button', { name: 'Menu' }).click();
    await page.getByRole('radio', { name: 'Dark' }).check();
    const dark = await page.evaluate(() => document.documentElement.classList.contains('dark'));
    expect(dark, 'the theme cannot be chosen');
    await page.getByRole('combobox', { name: 'Language' }).selectOption('de');
    await page.getByRole('heading', { name: 'Ein Teil von AntiRaid läuft nicht' }).waitFor();
    for (const path of ['/docs/splashtail', '/mewld/']) {
      await page.goto(site.address + path, { waitUntil: 'load' });
      await page.locator('[data-operation], [data-cluster]').first().waitFor();
    }
    await picture(page, 'storage-blocked');
    expect(problems.length === 0, `with storage blocked the page reports problems:\n${problems.join('\n')}`);
  });
}

async function main() {
  const site = await startSite();
  const browser = await launch();
  const all = process.env.STATES === undefined;
  try {
    if (all) await checkBlockedStorage(site);
    if (all) {
      const context = await browser.newContext(ENGLISH);
      await checkOutcome(context, site);
      await context.close();
    }
    await checkStates(browser);
    const languages = all ? await checkLanguages(browser) : 0;
    console.log(JSON.stringify({ states: STATES.length, languages }));
  } finally {
    await browser.close();
    site.stop();
  }
}

main().catch((error) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
