// Drives a real browser against a running installation. By itself it checks the first page and
// the API browser; `download` is the way from a download link to the file.
//
//   DASHBOARD_URL      where the website is, for example http://localhost:8081
//   CHROMIUM           the browser, else /usr/bin/chromium
//   EXPECT_CLUSTERS    how many clusters have to be up; any number above zero when absent
//   DOWNLOAD_URL       a download link; when set, the file is fetched through the consent page
//   DOWNLOAD_USER      id of the sandbox user who consents
//   DOWNLOAD_DIR       where the file is saved
//   SERVER_ID, SERVER_TOKEN  a server and its token; when set, a backup is started on its page
//   SIGN_IN_AS         id of a sandbox user who may look at that server; when set, the browser signs in as them
//   SCREENSHOTS        directory for pictures of the pages
//
// Prints one JSON object: {"clusters":2,"operations":13,"download":{"path":…,"filename":…}|null}.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';
import { checkAccessibility } from './axe.mjs';

/** On a busy machine a page may take long; only a broken one takes this long. */
const TIMEOUT_MS = 120_000;

/** A browser that needs neither a display nor a user namespace. */
export const LAUNCH = {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  headless: true,
  timeout: TIMEOUT_MS,
  args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', '--no-proxy-server']
};

export function launch() {
  return chromium.launch(LAUNCH);
}

/** A browser whose settings block storage: there, looking at `localStorage` throws. */
export async function blockedStorage(use) {
  const profile = await mkdtemp(join(tmpdir(), 'blocked-'));
  await mkdir(join(profile, 'Default'));
  const preferences = { profile: { default_content_setting_values: { cookies: 2 } } };
  await writeFile(join(profile, 'Default', 'Preferences'), JSON.stringify(preferences));
  const context = await chromium.launchPersistentContext(profile, {
    ...LAUNCH,
    locale: 'en',
    viewport: { width: 1280, height: 800 }
  });
  try {
    await use(context);
  } finally {
    await context.close();
    await rm(profile, { recursive: true, force: true });
  }
}

/** A page that collects what goes wrong in it. */
export async function observed(context) {
  const page = await context.newPage();
  page.setDefaultTimeout(TIMEOUT_MS);
  const problems = [];
  page.on('console', (message) => {
    if (message.type() !== 'error') return;
    problems.push(`console: ${message.text()} ${message.location().url}`);
  });
  page.on('pageerror', (error) => problems.push(`exception: ${error.message}`));
  page.on('requestfailed', (request) => {
    // Leaving a page gives up its polling.
    const reason = request.failure()?.errorText;
    if (reason !== 'net::ERR_ABORTED') problems.push(`request: ${request.url()}: ${reason}`);
  });
  return { page, problems };
}

export function expect(condition, message) {
  if (!condition) throw new Error(message);
}

export async function picture(page, name) {
  const directory = process.env.SCREENSHOTS;
  if (!directory) return;
  await mkdir(directory, { recursive: true });
  await page.screenshot({ path: join(directory, `${name}.png`), fullPage: true });
}

/** The first page says for how many servers the bot works, once that is known. */
async function checkLanding(page, base) {
  await page.goto(base, { waitUntil: 'load' });
  await page.getByText(/^Looks after [\d,]+ servers? now/).waitFor();
  await picture(page, 'landing');
  await page.getByRole('link', { name: 'Live status' }).click();
  await page.waitForURL('**/status');
}

/** The status page shows the expected clusters as active, and the counts of jobs. */
export async function checkStatus(page, base, expected) {
  await page.goto(new URL('/status', base).href, { waitUntil: 'load' });
  await page.waitForFunction((expected) => {
    const active = document.querySelectorAll('[data-cluster][data-state="active"]').length;
    return expected === null ? active > 0 : active === expected;
  }, expected);
  const clusters = await page.locator('[data-cluster][data-state="active"]').count();
  const tile = await page.locator('[data-stat="clusters-up"]').innerText();
  expect(tile.includes(String(clusters)), `the summary does not say ${clusters} clusters: ${tile}`);
  for (const state of ['pending', 'running', 'completed', 'failed']) {
    const count = await page.locator(`[data-jobs="${state}"] dd`).innerText();
    expect(/^[\d,]+$/.test(count), `no count of ${state} jobs: ${count}`);
  }
  await picture(page, 'status');

  // By keyboard: open the details of the first cluster and close them again.
  const view = page.locator('[data-cluster] button').first();
  await view.focus();
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog');
  await dialog.waitFor();
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  expect(await view.evaluate((button) => button === document.activeElement), 'the focus is lost');
  return clusters;
}

/** Nothing is cut off on a small screen. */
export async function checkSmallScreen(page) {
  await page.setViewportSize({ width: 360, height: 740 });
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  await picture(page, 'status-360');
  expect(width <= 360, `the page is ${width} pixels wide on a screen of 360`);
  await page.setViewportSize({ width: 1280, height: 800 });
}

/** The API browser shows every operation of the document. */
export async function checkDocs(page, base) {
  const document = await (await page.request.get(new URL('/openapi', base).href)).json();
  const described = Object.values(document.paths).flatMap((item) =>
    ['get', 'post', 'put', 'patch', 'delete'].filter((method) => method in item)
  ).length;
  await page.goto(new URL('/docs', base).href, { waitUntil: 'load' });
  expect(new URL(page.url()).pathname === '/docs/splashtail', `/docs leads to ${page.url()}`);
  await page.waitForFunction(
    (described) => document.querySelectorAll('[data-operation]').length === described,
    described
  );
  await picture(page, 'docs');
  return described;
}

/** With a token of a server: a wrong one is refused, the right one starts a backup and sees its end. */
async function checkJobs(page, base, server, token) {
  await page.goto(new URL('/dashboard', base).href, { waitUntil: 'load' });
  await page.getByRole('textbox', { name: 'Its ID' }).fill(server);
  const field = page.getByLabel('Token', { exact: true });
  await field.fill('wrong');
  await page.keyboard.press('Enter');
  await page.getByText('This token is not valid for that ID').waitFor();
  await field.fill(token);
  await page.keyboard.press('Enter');
  await page.locator(`main a[href="/dashboard/guilds/backups?id=${server}"]`).first().click();
  await page.getByRole('button', { name: 'Back up now…' }).first().click();
  await page.getByRole('button', { name: 'Back up now', exact: true }).click();
  await page.waitForURL('**/job?**');
  await page.getByRole('link', { name: 'Download' }).waitFor();
  // The page is the same after it is loaded again: the token is the tab's.
  await page.reload({ waitUntil: 'load' });
  await page.getByRole('link', { name: 'Download' }).waitFor();
  await picture(page, 'job');
  const lines = await page.locator('[data-line]').count();
  expect(lines > 0, 'the job has no log');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
}

/** Signs in as `user` on the sandbox's page, opens a server from the list, reloads, and signs out again. */
async function checkSignIn(browser, base, server, user) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  try {
    const { page } = await observed(context);
    await page.goto(new URL(`/dashboard`, base).href, { waitUntil: 'load' });
    await page.getByRole('link', { name: 'Sign in with Discord' }).click();
    await page.getByLabel('Answer as').selectOption(user);
    await page.getByRole('button', { name: 'Authorize' }).click();
    await page.waitForURL('**/dashboard');
    const row = page.locator(`[data-server="${server}"]`);
    await row.waitFor();
    await picture(page, 'picker');
    const cookies = await context.cookies();
    const session = cookies.find(({ name }) => name === 'session');
    expect(session?.httpOnly && session.sameSite === 'Lax', `the session is kept wrongly: ${JSON.stringify(session)}`);
    expect(!(await page.evaluate(() => document.cookie)).includes('session'), 'scripts read the session');
    await row.getByRole('link').click();
    await page.locator('[data-verdict]').waitFor();
    await page.getByRole('link', { name: 'Backups', exact: true }).first().click();
    await page.getByRole('button', { name: 'Back up now…' }).first().waitFor();
    await page.locator('[data-backup]').first().waitFor();
    await page.reload({ waitUntil: 'load' });
    await page.locator('[data-backup]').first().getByRole('link').first().click();
    await page.getByRole('button', { name: 'Download' }).waitFor();
    await page.getByRole('button', { name: 'Menu' }).click();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('heading', { name: 'Sign in', exact: true }).waitFor();
    expect(!(await context.cookies()).some(({ name }) => name === 'session'), 'the session is still there');
  } finally {
    await context.close();
  }
}

/** An address that is no page says so and leads home. */
async function checkMissingPage(page, base) {
  const answer = await page.goto(new URL('/no-such-page', base).href, { waitUntil: 'load' });
  expect(answer?.status() === 404, `a missing page answers ${answer?.status()}`);
  await page.getByRole('link', { name: 'Home' }).waitFor();
}

/** What people see who come back from a login that was declined. */
async function checkErrorPage(page, base) {
  const answer = await page.goto(new URL('/ioauth/login?error=access_denied', base).href, { waitUntil: 'load' });
  expect(answer?.status() === 400, `a login without a state answers ${answer?.status()}`);
  await page.getByRole('heading', { name: 'Bad Request' }).waitFor();
  await checkAccessibility(page, 'error-page');
}

/**
 * Opens a download link as `user`, consents on the sandbox's page and saves the file.
 * Returns its path and the name the server gave it.
 */
export async function download(browser, { url, user, directory }) {
  const context = await browser.newContext({ acceptDownloads: true });
  try {
    const page = await context.newPage();
    page.setDefaultTimeout(TIMEOUT_MS);
    await page.goto(url, { waitUntil: 'domcontentloaded' });
    await picture(page, 'consent');
    await page.getByLabel('Answer as').selectOption(user);
    const [file] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Authorize' }).click()
    ]);
    const failure = await file.failure();
    expect(failure === null, `the download failed: ${failure}`);
    await mkdir(directory, { recursive: true });
    const path = join(directory, file.suggestedFilename());
    await file.saveAs(path);
    return { path, filename: file.suggestedFilename() };
  } finally {
    await context.close();
  }
}

async function main() {
  const base = process.env.DASHBOARD_URL;
  expect(base, 'DASHBOARD_URL is not set');
  const expected = process.env.EXPECT_CLUSTERS ? Number(process.env.EXPECT_CLUSTERS) : null;
  const browser = await launch();
  try {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    const { page, problems } = await observed(context);
    await checkLanding(page, base);
    const clusters = await checkStatus(page, base, expected);
    await checkSmallScreen(page);
    const operations = await checkDocs(page, base);
    expect(problems.length === 0, `the pages report problems:\n${problems.join('\n')}`);
    // The browser reports the 404 itself as a problem.
    await checkMissingPage(page, base);
    await checkErrorPage(page, base);
    if (process.env.SERVER_TOKEN) await checkJobs(page, base, process.env.SERVER_ID, process.env.SERVER_TOKEN);

    if (process.env.SIGN_IN_AS) await checkSignIn(browser, base, process.env.SERVER_ID, process.env.SIGN_IN_AS);

    const url = process.env.DOWNLOAD_URL;
    const file = url
      ? await download(browser, {
          url,
          user: process.env.DOWNLOAD_USER ?? '1100000000000000011',
          directory: process.env.DOWNLOAD_DIR ?? '.'
        })
      : null;
    console.log(JSON.stringify({ clusters, operations, download: file }));
  } finally {
    await browser.close();
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  main().catch((error) => {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  });
}
