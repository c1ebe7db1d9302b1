// Every page of the built site in its states: no fault that axe finds, nothing cut off, also
// mirrored and in other languages, and with storage that the browser refuses. Needs no installation.
//
//   CHROMIUM, SCREENSHOTS as for browser.mjs
//
// Prints one JSON object: {"states":38,"languages":3}.
import { checkAccessibility } from './axe.mjs';
import { blockedStorage, expect, launch, observed, picture } from './browser.mjs';
import { fleet, JOB, person, SERVER, startSite } from './site.mjs';

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

/** Name, address, what the API says, and how the state comes about. */
const STATES = [
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

async function checkStates(context, site) {
  for (const { name, path, tell = {}, ready } of STATES) {
    for (const [address, answer] of Object.entries(tell)) site.tell(address, answer);
    const { page } = await observed(context);
    await page.goto(site.address + path, { waitUntil: 'load' });
    await ready(page, site);
    await checkAccessibility(page, name);
    await page.close();
    for (const address of [...Object.keys(tell), '/clusters/health']) site.tell(address, null);
  }
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

/** Each language is chosen once and stays; the right-to-left one mirrors the page. */
async function checkLanguages(browser, site) {
  const directions = { en: 'ltr', de: 'ltr', ar: 'rtl' };
  for (const [code, dir] of Object.entries(directions)) {
    const context = await browser.newContext({ locale: 'en', viewport: { width: 1280, height: 800 } });
    const { page, problems } = await observed(context);
    await page.goto(site.address, { waitUntil: 'load' });
    await chooseLanguage(page, code);
    for (const path of ['/', '/status', '/commands', '/mewld/', '/docs/splashtail']) {
      await page.goto(site.address + path, { waitUntil: 'load' });
      await page.waitForFunction(
        ([code, dir]) => document.documentElement.lang === code && document.documentElement.dir === dir,
        [code, dir]
      );
      await page.locator('[data-cluster], [data-operation], [data-command], [data-servers]').first().waitFor();
      await checkAccessibility(page, `${code}${path.replaceAll('/', '-')}`);
    }
    expect(problems.length === 0, `in ${code} the page reports problems:\n${problems.join('\n')}`);
    await context.close();
  }
  return Object.keys(directions).length;
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
  try {
    await checkBlockedStorage(site);
    const context = await browser.newContext({ locale: 'en', viewport: { width: 1280, height: 800 } });
    await checkOutcome(context, site);
    await checkStates(context, site);
    const languages = await checkLanguages(browser, site);
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
