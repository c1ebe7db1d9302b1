// Plays with the sandbox's page in a real browser as an operator would, by keyboard wherever there
// is a choice. Needs the `small` world with the platform's bot, and an application "Guestbook" as
// crates/e2e/tests/sandbox_page has one.
//
//   CONTROL_URL   origin of the control API, for example http://127.0.0.1:4402
//   CDN_URL       origin of the sandbox's REST listener
//   CHROMIUM      the browser, else /usr/bin/chromium
//   SCREENSHOTS   directory for pictures of the page
//
// Prints one JSON object with what was seen.
import { launch, observed, expect, picture } from './browser.mjs';
import { focused, message, pick, tabTo } from './keyboard.mjs';
import { beModerator, pageBack, startThreads, talk, writeDirectly } from './sandbox-chat.mjs';

const GUILD = '1100000000001179648';
const OWNER = '1100000000000000010';
const SPARE = '1100000000000000014';
/** A backup on a busy machine. */
const BACKUP_MS = 240_000;

/** Opens the form of a slash command from the message field. */
async function command(page, name) {
  const composer = page.locator('#composer');
  await composer.waitFor();
  if (!(await focused(composer))) await tabTo(page, composer);
  await page.keyboard.type(`/${name}`);
  await page.getByRole('option', { name: `/${name}` }).first().waitFor();
  await page.keyboard.press('Enter');
  await page.locator('#command-name', { hasText: `/${name}` }).waitFor();
}

async function chooseGuildAndUser(page) {
  await pick(page, page.getByLabel('Server', { exact: true }), 'harb', /Harbour/);
  await pick(page, page.getByLabel('Acting as'), 'adam', /Adam/);
  await page.waitForFunction(() => document.querySelector('#user').value === 'Adam');
  expect(new URL(page.url()).hash.startsWith(`#${GUILD}/`), 'the place is not in the address');
}

/** Messages, pictures and posts are there; arrow keys go through the channels. */
async function lookAround(page) {
  await page.locator('[data-message]').nth(5).waitFor();
  await tabTo(page, page.locator('button[data-channel][aria-current]'));
  for (let n = 0; n < 3; n += 1) await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'media', exact: true }).waitFor();
  const image = page.getByAltText('alpha.png');
  await image.waitFor();
  await page.waitForFunction(() => document.querySelector('img[alt="alpha.png"]').naturalWidth > 0);
  await picture(page, 'sandbox-media');
  await page.keyboard.press('Home');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'general', exact: true }).waitFor();
}

async function write(page) {
  await tabTo(page, page.locator('#composer'));
  await page.keyboard.type('Hello from the **keyboard** <script>alert(1)</script>');
  await page.keyboard.press('Enter');
  const said = message(page, 'Hello from the');
  await said.locator('strong', { hasText: 'keyboard' }).waitFor();
  expect((await said.innerText()).includes('<script>alert(1)</script>'), 'text became markup');
}

/** The progress message changes under the eyes of the user until it has a Download button. */
async function backUp(page) {
  await command(page, 'backups create');
  await pick(page, page.getByRole('combobox', { name: 'messages' }), 'tr', 'True');
  await tabTo(page, page.getByRole('textbox', { name: 'password' }));
  await page.keyboard.type('by keyboard');
  await page.evaluate(() => {
    window.states = new Set();
    const look = () => {
      const progress = [...document.querySelectorAll('[data-embed]')].at(-1)?.innerText ?? '';
      if (progress.includes('Task ID')) window.states.add(progress);
    };
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
  });
  await page.keyboard.press('Enter');
  const download = page.locator('a.button', { hasText: 'Download' });
  await download.waitFor({ timeout: BACKUP_MS });
  await picture(page, 'sandbox-backup');
  const states = await page.evaluate(() => window.states.size);
  expect(states > 1, 'the progress was not live');
  return states;
}

async function complete(page) {
  await command(page, 'greet');
  const whom = page.getByRole('combobox', { name: 'whom' });
  expect(await focused(whom), 'the first option does not have the focus');
  await page.keyboard.type('ad');
  await page.getByRole('option', { name: 'Ada Lovelace' }).waitFor();
  await picture(page, 'sandbox-autocomplete');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await tabTo(page, page.getByRole('textbox', { name: 'times' }));
  await page.keyboard.type('2');
  await page.keyboard.press('Enter');
  const answer = message(page, 'Hello Ada Lovelace, 2 times');
  await answer.locator('[data-ephemeral]').waitFor();
  expect(await focused(page.locator('#composer')), 'the focus did not come back to the message field');
}

/** Someone else does not see the private answer. */
async function beOlivia(page) {
  await page.locator('#user').focus();
  await pick(page, page.getByLabel('Acting as'), 'olivia', /Olivia/);
  // The list of the one before stands until hers has come.
  await message(page, 'Hello Ada Lovelace').waitFor({ state: 'detached' });
  await message(page, 'Hello from the').waitFor();
  await pick(page, page.getByLabel('Acting as'), 'adam', /Adam/);
  await message(page, 'Hello Ada Lovelace').waitFor();
}

async function fillForm(page) {
  await command(page, 'feedback');
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog', { name: 'Feedback' });
  const field = dialog.getByLabel('What do you think?');
  await field.waitFor();
  await tabTo(page, field);
  await page.keyboard.type('Calm and quick.');
  await picture(page, 'sandbox-form');
  await tabTo(page, dialog.getByRole('button', { name: 'Submit' }));
  await page.keyboard.press('Enter');
  await dialog.waitFor({ state: 'detached' });
  const again = message(page, 'Thank you: Calm and quick.').getByRole('button', { name: 'Once more' });
  await again.waitFor();
  await tabTo(page, again);
  await page.keyboard.press('Enter');
  await message(page, 'Pressed.').waitFor();
}

/** The menu under the bot's help leads to another page of it. */
async function chooseInMenu(page) {
  await command(page, 'help');
  await page.keyboard.press('Enter');
  const menu = page.locator('[data-message]').last().getByRole('combobox');
  await menu.waitFor();
  const before = await menu.inputValue();
  await tabTo(page, menu);
  await page.keyboard.press('ArrowDown');
  await page.locator('li[role="option"]').nth(1).waitFor();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await page.waitForFunction(
    ([id, before]) => ![before, ''].includes(document.getElementById(id)?.value ?? before),
    [await menu.getAttribute('id'), before]
  );
  await picture(page, 'sandbox-menu');
}

async function watchAudit(page) {
  await tabTo(page, page.getByRole('tab', { name: 'Members' }));
  await page.keyboard.press('ArrowRight');
  await page.getByRole('tab', { name: 'Audit log', selected: true }).waitFor();
  expect((await page.locator('[data-action="22"]').count()) === 0, 'there is a ban already');
  const ban = await page.request.post(new URL(`/ctl/as/${OWNER}/ban`, page.url()).href, {
    data: { guild_id: GUILD, target_id: SPARE, reason: 'seen live' }
  });
  expect(ban.ok(), `the ban was refused: ${ban.status()}`);
  const entry = page.locator('[data-action="22"]', { hasText: 'seen live' });
  await entry.waitFor();
  await picture(page, 'sandbox-audit');
  return await entry.locator('p').first().innerText();
}

async function openMember(page) {
  await tabTo(page, page.getByRole('tab', { name: 'Audit log' }));
  await page.keyboard.press('ArrowLeft');
  const member = page.getByRole('button', { name: /^Pavel/ });
  await tabTo(page, member);
  await page.keyboard.press('Enter');
  await page.getByRole('dialog', { name: 'Pavel' }).waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  expect(await focused(member), 'the focus did not come back to the member');
}

/** A raid of ten newcomers, watched until its report is complete. */
async function drill(page) {
  await tabTo(page, page.getByRole('tab', { name: 'Members' }));
  await page.keyboard.press('ArrowLeft');
  await tabTo(page, page.getByRole('radio', { name: /^Raid/ }));
  await tabTo(page, page.getByRole('spinbutton', { name: 'Size', exact: true }));
  await page.keyboard.type('10');
  await page.keyboard.press('Enter');
  const report = page.locator('[data-drill]');
  await report.waitFor();
  await page.locator('[data-drill="finished"]').waitFor();
  await report.getByText(/(\d+) of \1 acts/).waitFor();
  await report.getByText('members joined').first().waitFor();
  await picture(page, 'sandbox-drill');
  return await report.locator('[role=status]:not(.sr-only)').innerText();
}

async function smallScreen(page) {
  await page.setViewportSize({ width: 400, height: 800 });
  for (const view of ['Channels', 'Details', 'Chat']) {
    await page.getByRole('button', { name: view, exact: true }).click();
    await picture(page, `sandbox-400-${view.toLowerCase()}`);
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    expect(width <= 400, `${view} is ${width} pixels wide on a screen of 400`);
  }
  await page.locator('#composer').waitFor();
}

async function main() {
  const control = process.env.CONTROL_URL;
  const cdn = process.env.CDN_URL;
  expect(control && cdn, 'CONTROL_URL and CDN_URL have to be set');
  const browser = await launch();
  try {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    const { page, problems } = await observed(context);
    const known = [control, cdn].map((url) => new URL(url).origin);
    page.on('request', (request) => {
      const url = new URL(request.url());
      if (url.protocol !== 'data:' && !known.includes(url.origin)) {
        problems.push(`a request to another host: ${url}`);
      }
    });
    await page.addInitScript(() => {
      addEventListener('securitypolicyviolation', (event) =>
        console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`)
      );
    });
    await page.goto(control, { waitUntil: 'load' });
    await page.getByRole('log').waitFor();
    await chooseGuildAndUser(page);
    await lookAround(page);
    await write(page);
    const states = await backUp(page);
    await complete(page);
    await beOlivia(page);
    await fillForm(page);
    await chooseInMenu(page);
    await talk(page);
    await startThreads(page);
    const banned = await watchAudit(page);
    await openMember(page);
    await beModerator(page);
    await writeDirectly(page);
    await pageBack(page);
    const drilled = await drill(page);
    await smallScreen(page);
    // Sam was looked at as someone who is not in the server, which the browser reports.
    const outsider = new RegExp(`403 .*/ctl/as/${SPARE}/guild`);
    const others = problems.filter((problem) => !outsider.test(problem));
    expect(others.length === 0, `the page reports problems:\n${others.join('\n')}`);
    console.log(JSON.stringify({ states, banned, drilled }));
  } finally {
    await browser.close();
  }
}

main().catch((error) => {
  console.error(error instanceof Error ? error.stack : error);
  process.exitCode = 1;
});
