// Drives the operators' page of a running installation in a real browser, through a proxy
// that signs its requests. Restarts cluster 0.
//
//   DASHBOARD_URL   the webserver, for example http://localhost:8081
//   DP_SECRET       its `meta.dp_secret`
//   DP_USER         a user in `allowed_ids`
//   CHROMIUM, SCREENSHOTS as for browser.mjs
//
// Prints one JSON object: {"clusters":2,"shards":2,"events":["operator_command",…]}.
import { expect, launch, observed, picture } from './browser.mjs';
import { startProxy } from './deploy-proxy.mjs';

/** A restart waits for Discord's pace, and for the machine. */
const RESTART_MS = 240_000;
const RESTART = '[data-cluster="0"] [data-action="restart"]';

/** Without the proxy the page says what it needs, and shows nothing. */
async function checkClosed(context, base) {
  const { page } = await observed(context);
  await page.goto(new URL('/mewld', base).href, { waitUntil: 'load' });
  expect(new URL(page.url()).pathname === '/mewld/', `/mewld leads to ${page.url()}`);
  const alert = page.getByRole('alert');
  await alert.waitFor();
  const text = await alert.innerText();
  expect(text.includes('X-DP-Host') && text.includes('allowed_ids'), `the page does not explain: ${text}`);
  expect((await page.locator('[data-cluster]').count()) === 0, 'clusters are shown to a stranger');
  await picture(page, 'operators-closed');
  await page.close();
}

/** By keyboard alone: health of a cluster opens below its card. */
async function checkHealth(page) {
  const button = page.locator('[data-cluster="0"] button[aria-expanded]');
  await button.focus();
  await page.keyboard.press('Enter');
  await page.locator('[data-cluster="0"] [data-shard]').first().waitFor();
  const shards = await page.locator('[data-cluster="0"] [data-shard]').count();
  const up = await page.locator('[data-cluster="0"] [data-shard][data-up="true"]').count();
  expect(up === shards, `${up} of ${shards} shards are up`);
  return shards;
}

/** The dialog holds the focus, Escape gives it back and sends nothing. */
async function checkDialog(page) {
  const button = page.locator(RESTART);
  await button.focus();
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog');
  await dialog.waitFor();
  const focused = () => page.evaluate(() => document.activeElement?.tagName ?? '');
  expect((await focused()) === 'INPUT', `the dialog opens with the focus on ${await focused()}`);
  for (let step = 0; step < 6; step += 1) {
    await page.keyboard.press('Tab');
    const outside = await page.evaluate(
      () => document.activeElement !== document.body && !document.activeElement?.closest('dialog')
    );
    expect(!outside, 'the focus leaves the dialog');
  }
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  expect(await button.evaluate((it) => it === document.activeElement), 'the focus is lost');
}

/** A wrong word sends nothing; its name and Enter restart the cluster. */
async function restart(page) {
  const session = () => page.locator('[data-cluster="0"] [data-session]').getAttribute('data-session');
  const before = await session();
  await page.locator(RESTART).focus();
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog');
  const confirm = dialog.getByRole('button', { name: 'Restart', exact: true });
  await page.keyboard.type('Yes');
  expect((await confirm.getAttribute('aria-disabled')) === 'true', '"Yes" is taken for "Restart"');
  await page.keyboard.press('Enter');
  expect(await dialog.isVisible(), 'a wrong word closes the dialog');
  await page.keyboard.press('Control+A');
  await page.keyboard.type('restart');
  await picture(page, 'operators-confirm');
  await page.keyboard.press('Enter');
  await dialog.waitFor({ state: 'detached' });
  await page.getByText('Accepted', { exact: true }).waitFor();
  await page.waitForFunction(
    (before) => {
      const card = document.querySelector('[data-cluster="0"][data-state="active"]');
      const session = card?.querySelector('[data-session]')?.getAttribute('data-session');
      return session && session !== before;
    },
    before,
    { timeout: RESTART_MS }
  );
  await page.locator('[data-event="operator_command"]').first().waitFor();
}

async function checkSmallScreen(page) {
  await page.setViewportSize({ width: 360, height: 740 });
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  await picture(page, 'operators-360');
  expect(width <= 360, `the page is ${width} pixels wide on a screen of 360`);
}

async function main() {
  const base = process.env.DASHBOARD_URL;
  const [secret, user] = [process.env.DP_SECRET, process.env.DP_USER];
  expect(base && secret && user, 'DASHBOARD_URL, DP_SECRET and DP_USER have to be set');
  const browser = await launch();
  const proxy = await startProxy({ target: base, secret, user });
  try {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
    await checkClosed(context, base);
    const { page, problems } = await observed(context);
    await page.goto(new URL('/mewld/', proxy.address).href, { waitUntil: 'load' });
    await page.locator('[data-cluster][data-state="active"]').nth(1).waitFor();
    const clusters = await page.locator('[data-cluster]').count();
    await page.locator('[data-log] li').first().waitFor();
    const shards = await checkHealth(page);
    await picture(page, 'operators');
    await checkDialog(page);
    await restart(page);
    const events = await page
      .locator('[data-log] li')
      .evaluateAll((items) => items.map((item) => item.dataset.event));
    await picture(page, 'operators-restarted');
    await checkSmallScreen(page);
    expect(problems.length === 0, `the page reports problems:\n${problems.join('\n')}`);
    console.log(JSON.stringify({ clusters, shards, events }));
  } finally {
    await browser.close();
    proxy.stop();
  }
}

main().catch((error) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
