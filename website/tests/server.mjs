// A server's pages in a real browser against a running installation, as its owner uses them: each step
// asserts what a person sees.
//
//   DASHBOARD_URL, CHROMIUM, SCREENSHOTS  as for browser.mjs
//   CONTROL_URL      the sandbox's control API
//   SERVER_ID        a server of the sandbox
//   OWNER            id of the sandbox user who owns it
//
// Prints one JSON object: {"incident":"…","backup":"…","steps":10}.
import { pathToFileURL } from 'node:url';
import { checkAccessibility } from './axe.mjs';
import { expect, launch, observed, picture } from './browser.mjs';

/** Where Discord would ask who it is. */
async function signIn(page, base, owner) {
  await page.goto(new URL('/dashboard', base).href, { waitUntil: 'load' });
  await page.getByRole('link', { name: 'Sign in with Discord' }).click();
  await page.getByLabel('Answer as').selectOption(owner);
  await page.getByRole('button', { name: 'Authorize' }).click();
  await page.waitForURL('**/dashboard');
}

/** Both sizes and themes, without a fault; from the top, where the header covers nothing. */
async function shown(page, name) {
  await page.evaluate(() => scrollTo(0, 0));
  await checkAccessibility(page, `server-${name}`);
}

const pageOf = (base, server, section) => new URL(`/dashboard/guilds${section}?id=${server}`, base).href;

/** From the list of servers: the state, and Panic as the fourth stop, which Escape leaves. */
async function openServer(page, server) {
  await page.locator(`[data-server="${server}"]`).getByRole('link').click();
  await page.locator('[data-verdict]').waitFor();
  await page.locator('[data-connection="live"]').waitFor();
  // As it is for somebody who comes here first: the stops are counted from the top.
  await page.reload({ waitUntil: 'load' });
  await page.locator('[data-connection="live"]').waitFor();
  for (let stop = 0; stop < 4; stop += 1) await page.keyboard.press('Tab');
  const label = await page.evaluate(() => document.activeElement?.textContent?.trim());
  expect(label === 'Panic', `the fourth stop is ${label}`);
  await page.keyboard.press('Enter');
  const action = page.getByRole('dialog').getByRole('button', { name: 'Start panic now' });
  await action.waitFor();
  expect(await action.evaluate((element) => element === document.activeElement), 'the action has not the focus');
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await shown(page, 'overview');
}

/** A module that protects nothing is switched, at once, and switched back by the toast. */
async function switchModule(page, base, server) {
  await page.goto(pageOf(base, server, '/modules'), { waitUntil: 'load' });
  const card = page.locator('[data-module="moderation"]');
  await card.getByRole('radio', { name: 'Off', exact: true }).check();
  await page.getByRole('button', { name: 'Undo' }).waitFor();
  await page.locator('[data-module="moderation"][data-on="false"]').waitFor();
  await page.reload({ waitUntil: 'load' });
  await page.locator('[data-module="moderation"][data-on="false"]').waitFor();
  await card.getByRole('radio', { name: /^Default/ }).check();
  await page.locator('[data-module="moderation"][data-on="true"]').waitFor();
  await shown(page, 'modules');
}

/** Protection is switched on and a limit set; both hold after the page is loaded again. */
async function protect(page, base, server) {
  await page.goto(pageOf(base, server, '/protection'), { waitUntil: 'load' });
  await page.getByRole('radio', { name: 'Stops attackers' }).check();
  const bar = page.locator('[data-save-bar]');
  await bar.getByRole('button', { name: 'Save' }).click();
  await bar.waitFor({ state: 'detached' });
  const limit = page.locator('[data-limit="channel_remove"]');
  await limit.locator('summary').click();
  await limit.getByRole('textbox', { name: 'Moderators, in a minute' }).fill('9');
  await limit.getByRole('textbox', { name: 'Moderators, in an hour' }).fill('2');
  await limit.getByText('A longer time cannot have a smaller number.').waitFor();
  await limit.getByRole('textbox', { name: 'Moderators, in a minute' }).fill('2');
  await limit.getByText('more than 2 in a minute or 2 in an hour is an attack').waitFor();
  await limit.getByRole('button', { name: 'Save' }).click();
  await limit.getByText('Changed').waitFor();
  await page.reload({ waitUntil: 'load' });
  expect(await page.getByRole('radio', { name: 'Stops attackers' }).isChecked(), 'protection is not on');
  await page.locator('[data-limit="channel_remove"]').getByText('Changed').waitFor();
  await shown(page, 'protection');
}

/** The change history has both, with what they were before. */
async function history(page, base, server) {
  await page.goto(pageOf(base, server, '/history'), { waitUntil: 'load' });
  const change = page.locator('[data-change]').filter({ has: page.locator('[data-edit="protection_policy"]') }).first();
  await change.waitFor();
  await change.getByText('on', { exact: true }).first().waitFor();
  await shown(page, 'history');
}

async function backUp(page, base, server) {
  await page.goto(pageOf(base, server, '/backups'), { waitUntil: 'load' });
  await page.getByRole('button', { name: 'Back up now…' }).first().click();
  await page.getByRole('button', { name: 'Back up now', exact: true }).click();
  await page.waitForURL('**/job?**');
  // Followed as it goes, and there after the page is loaded again.
  await page.locator('[data-line]').first().waitFor();
  await page.reload({ waitUntil: 'load' });
  await page.locator('[data-state="completed"]').waitFor();
  await shown(page, 'job');
  return new URL(page.url()).searchParams.get('job');
}

async function control(address, method, path, body) {
  const answer = await fetch(new URL(path, address), { method, headers: { 'Content-Type': 'application/json' }, body: body && JSON.stringify(body) });
  expect(answer.ok, `${method} ${path} answers ${answer.status}: ${await answer.clone().text()}`);
  return answer.json();
}

/** An attack while the list is open: it arrives by itself, and its page tells who, what and when. */
async function drill(page, base, address, server) {
  await page.goto(pageOf(base, server, '/incidents'), { waitUntil: 'load' });
  await page.getByText('No incidents.').waitFor();
  await page.locator('[data-connection="live"]').waitFor();
  await control(address, 'POST', '/ctl/drills', { kind: 'nuke', guild_id: server, size: 8, rate: 4, watch_ms: 5000 });
  await page.locator('[data-band]').waitFor();
  const row = page.locator('[data-incident]').first();
  await row.waitFor();
  await shown(page, 'incidents');
  const incident = await row.getAttribute('data-incident');
  await row.getByRole('link').click();
  await page.locator('[data-entry="channel_remove"], [data-entry="role_remove"], [data-entry="ban"]').first().waitFor();
  await page.locator('[data-entry="decided"]').waitFor();
  await page.locator('[data-suspect]').first().getByText('Powerless').waitFor();
  await shown(page, 'incident');
  return incident;
}

/** A part of it: first the plan, then what it says, and nothing else; and then it can be undone. */
async function putBackPart(page) {
  const parts = page.locator('[data-part]');
  await parts.first().waitFor();
  const count = await parts.count();
  for (let index = 1; index < count; index += 1) await parts.nth(index).getByRole('checkbox').uncheck();
  if (count > 1) {
    await page.getByRole('button', { name: /^Plan to put/ }).click();
    await page.getByRole('dialog').getByRole('button', { name: /^Plan to put/ }).click();
    await page.getByRole('button', { name: 'Show the plan…' }).first().click();
    await page.getByRole('dialog').locator('[data-plan]').waitFor();
    await picture(page, 'server-putback-plan');
    await page.getByRole('dialog').getByRole('button', { name: 'Put this back' }).click();
    await page.getByRole('dialog').waitFor({ state: 'detached' });
  } else {
    await page.getByRole('button', { name: /^Put \d+ things? back/ }).click();
    await page.getByRole('dialog').getByRole('button', { name: /^Put \d+ things? back/ }).click();
  }
  const done = page.locator('[data-putback][data-state="completed"]').filter({ has: page.getByRole('link', { name: 'Put back', exact: true }) });
  await done.first().getByRole('button', { name: 'Undo…' }).waitFor();
  await shown(page, 'put-back');
}

/** What a restore would change, without changing it: "only add and mend" deletes nothing. */
async function previewRestore(page, base, server, backup) {
  await page.goto(`${pageOf(base, server, '/restore')}&backup=${backup}`, { waitUntil: 'load' });
  await page.getByRole('button', { name: 'Go on' }).click();
  expect(await page.getByRole('radio', { name: 'Only add and mend' }).isChecked(), 'the mildest way is not the first');
  await page.getByRole('button', { name: 'Show the plan' }).click();
  await page.locator('[data-plan]').waitFor();
  const deleted = await page.locator('[data-total="delete"] dd').innerText();
  expect(deleted === '0', `only adding and mending deletes ${deleted}`);
  await page.getByRole('button', { name: 'Restore…' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Restore', exact: true }).waitFor();
  await page.keyboard.press('Escape');
  await shown(page, 'restore');
}

/** Made, used, and useless as soon as it is revoked. */
async function token(page, base) {
  await page.goto(new URL('/dashboard/developers', base).href, { waitUntil: 'load' });
  await page.getByRole('textbox', { name: 'Name' }).fill('journey');
  await page.getByRole('button', { name: 'Make the token' }).click();
  const secret = await page.locator('[data-secret]').inputValue();
  await page.getByRole('button', { name: 'I have it' }).click();
  const use = async () => (await fetch(new URL('/users/@me', base), { headers: { Authorization: `User ${secret}` } })).status;
  expect((await use()) === 200, 'the token opens nothing');
  const row = page.locator('[data-name="journey"]');
  await row.getByRole('button', { name: /^Revoke/ }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke', exact: true }).click();
  await row.waitFor({ state: 'detached' });
  expect((await use()) === 401, 'a revoked token still opens something');
  await shown(page, 'developers');
}

async function main() {
  const { DASHBOARD_URL: base, CONTROL_URL: address, SERVER_ID: server, OWNER: owner } = process.env;
  expect(base && address && server && owner, 'DASHBOARD_URL, CONTROL_URL, SERVER_ID and OWNER have to be set');
  const browser = await launch();
  let steps = 0;
  const step = async (work) => {
    const result = await work;
    steps += 1;
    return result;
  };
  try {
    const context = await browser.newContext({ locale: 'en', viewport: { width: 1280, height: 800 } });
    const { page, problems } = await observed(context);
    await step(signIn(page, base, owner));
    await step(openServer(page, server));
    await step(switchModule(page, base, server));
    await step(protect(page, base, server));
    await step(history(page, base, server));
    const backup = await step(backUp(page, base, server));
    const incident = await step(drill(page, base, address, server));
    await step(putBackPart(page));
    await step(previewRestore(page, base, server, backup));
    await step(token(page, base));
    expect(problems.length === 0, `the pages report problems:\n${problems.join('\n')}`);
    console.log(JSON.stringify({ incident, backup, steps }));
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
