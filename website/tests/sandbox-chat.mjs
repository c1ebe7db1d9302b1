// What people do in the sandbox's page beside commands: files, mentions, reactions, threads,
// direct messages and moderation. Used by sandbox.mjs.
import { expect, picture } from './browser.mjs';
import { focused, message, pick, tabTo } from './keyboard.mjs';

const GUILD = '1100000000001179648';
const OWNER = '1100000000000000010';
const ADAM = '1100000000000000011';
const MARTA = '1100000000000000012';

/** A red square of eight pixels. */
const PICTURE = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEUlEQVR42mM4oKCAFTEMLQkAKj9AAQUJSn0AAAAASUVORK5CYII=',
  'base64'
);

/** An act of someone else. */
async function act(page, user, name, body) {
  const url = new URL(`/ctl/as/${user}/${name}`, page.url()).href;
  const answer = await page.request.post(url, { data: body });
  const { results } = await answer.json();
  const refused = results?.find(({ status }) => status >= 300);
  expect(results && !refused, `${name} was refused: ${JSON.stringify(refused)}`);
  return results[0].body;
}

const composer = (page) => page.locator('#composer');

async function openChannel(page, name) {
  await page.locator('button[data-channel]').filter({ hasText: new RegExp(`^\\s*${name}\\s*$`) }).click();
  await page.getByRole('heading', { name, exact: true }).waitFor();
}

/** Presses a button of a message, which is reached with Tab and arrow keys alone. */
async function onMessage(page, target, button) {
  await target.focus();
  await tabTo(page, target.getByRole('button', { name: button }));
  await page.keyboard.press('Enter');
}

/** A picture with a mention; then an edit, a reaction, an answer and a deletion. */
export async function talk(page) {
  await page.setInputFiles('#files', { name: 'red.png', mimeType: 'image/png', buffer: PICTURE });
  await page.getByRole('list', { name: 'Files to send' }).getByText('red.png').waitFor();
  await composer(page).focus();
  await page.keyboard.type('Look, @mar');
  await page.getByRole('option', { name: /@Marta/ }).waitFor();
  await picture(page, 'sandbox-mention');
  await page.keyboard.press('Enter');
  await page.keyboard.type('a picture');
  await page.keyboard.press('Enter');
  const said = message(page, 'Look, @Marta a picture');
  await said.getByAltText('red.png').waitFor();
  await page.waitForFunction(() => document.querySelector('img[alt="red.png"]').naturalWidth === 8);
  expect((await composer(page).inputValue()) === '', 'what was sent stays in the field');

  await page.keyboard.press('ArrowUp');
  const editor = page.getByLabel('Edit the message');
  await editor.waitFor();
  await page.keyboard.type(' of a square');
  await page.keyboard.press('Enter');
  const edited = message(page, 'a picture of a square');
  await edited.getByText('edited').waitFor();
  expect(await focused(composer(page)), 'the focus did not come back after the edit');

  await onMessage(page, edited, /^React/);
  await page.getByRole('dialog', { name: 'Add a reaction' }).waitFor();
  await page.keyboard.type('tada');
  await picture(page, 'sandbox-emoji');
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  const reaction = edited.getByRole('button', { name: '🎉, 1', pressed: true });
  await reaction.waitFor();
  await tabTo(page, reaction);
  await page.keyboard.press('Enter');
  await reaction.waitFor({ state: 'detached' });

  await onMessage(page, edited, /^Reply/);
  expect(await focused(composer(page)), 'a reply does not lead to the field');
  await page.keyboard.type('An answer to it');
  await page.keyboard.press('Enter');
  const answer = message(page, 'An answer to it');
  await answer.getByText('a picture of a square').waitFor();
  await onMessage(page, answer, /^Delete/);
  await answer.waitFor({ state: 'detached' });
}

/** A thread from a message, and a post in a forum. */
export async function startThreads(page) {
  await onMessage(page, message(page, 'a picture of a square'), /^Thread/);
  const dialog = page.getByRole('dialog', { name: 'New thread' });
  await dialog.getByLabel('Name').fill('Squares');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Squares', exact: true }).waitFor();
  await composer(page).fill('In the thread');
  await composer(page).press('Enter');
  await message(page, 'In the thread').waitFor();

  await openChannel(page, 'general');
  await page.getByRole('button', { name: 'Threads', exact: true }).click();
  await page.getByRole('list', { name: 'Threads' }).getByText('Squares').waitFor();
  await page.getByRole('button', { name: 'Threads', exact: true }).click();

  await openChannel(page, 'help');
  await page.getByRole('button', { name: 'New post' }).click();
  const post = page.getByRole('dialog', { name: 'New post' });
  await post.getByLabel('Title').fill('How does this work?');
  await post.getByLabel('Message').fill('I only see posts.');
  await picture(page, 'sandbox-post');
  await post.getByRole('button', { name: 'Post' }).click();
  await page.getByRole('heading', { name: 'How does this work?', exact: true }).waitFor();
  await message(page, 'I only see posts.').waitFor();
  await openChannel(page, 'general');
}

const choose = (page, text, option) => pick(page, page.getByLabel('Acting as'), text, option);

/** Sam was banned: the ban is lifted, Sam joins again, gets a role and a name, and is timed out. */
export async function beModerator(page) {
  await page.getByRole('button', { name: 'Bans', exact: true }).click();
  const ban = page.getByRole('list', { name: 'Bans' }).getByRole('listitem').filter({ hasText: 'Sam' });
  await ban.getByText('seen live').waitFor();
  await ban.getByRole('button', { name: 'Unban' }).click();
  await page.getByText('Nobody is banned.').waitFor();
  await page.getByRole('button', { name: 'Bans', exact: true }).click();

  await page.locator('#user').focus();
  await choose(page, 'sam', /Sam/);
  await page.getByRole('button', { name: 'Join the server' }).click();
  await composer(page).waitFor();
  await page.locator('#user').focus();
  await choose(page, 'adam', /Adam/);
  await page.getByRole('list', { name: 'Members' }).getByText('Sam', { exact: true }).waitFor();

  await page.getByRole('button', { name: /^Sam/ }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Nickname').fill('Sam the Spare');
  await dialog.getByRole('button', { name: 'Rename' }).click();
  await page.getByRole('dialog', { name: 'Sam the Spare' }).waitFor();
  await pick(page, dialog.getByLabel('Give a role'), 'reg', /Regular/);
  await dialog.getByRole('button', { name: 'Take Regular away' }).waitFor();
  await picture(page, 'sandbox-moderation');
  await dialog.getByLabel('Length of the timeout').selectOption('1 hour');
  await dialog.getByRole('button', { name: 'Time out' }).click();
  await dialog.waitFor({ state: 'detached' });
  await page.getByRole('button', { name: /^Sam the Spare/ }).click();
  await dialog.getByRole('button', { name: 'End the timeout' }).waitFor();
  await dialog.getByRole('button', { name: 'Close' }).click();
}

/** A direct message comes, is marked as new, and is answered. */
export async function writeDirectly(page) {
  const { id } = await act(page, OWNER, 'open_dm', { target_id: ADAM });
  await act(page, OWNER, 'say', { channel_id: id, body: { content: 'Between us' } });
  const entry = page.getByRole('list', { name: 'Direct messages' }).getByRole('button', { name: /Olivia/ });
  await entry.getByText('NEW').waitFor();
  await entry.click();
  await message(page, 'Between us').waitFor();
  await entry.getByText('NEW').waitFor({ state: 'detached' });
  await composer(page).fill('Of course');
  await composer(page).press('Enter');
  await message(page, 'Of course').waitFor();
  await picture(page, 'sandbox-direct');

  // The bot's commands work there too, but of another person none are offered.
  await composer(page).fill('/');
  await page.getByText('No app offers a command here.').waitFor();
  await composer(page).fill('');
  await page.getByRole('button', { name: /^Marta/ }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Message', exact: true }).click();
  await page.getByRole('heading', { name: 'Marta', exact: true }).waitFor();
  await openChannel(page, 'general');
}

/** Older messages and entries of the audit log stay when something new comes. */
export async function pageBack(page) {
  await openChannel(page, 'archive');
  const all = page.locator('[data-message]');
  await all.nth(49).waitFor();
  await page.getByRole('button', { name: 'Show older messages' }).click();
  await all.nth(99).waitFor();
  const channel = await page.locator('button[data-channel][aria-current]').getAttribute('data-channel');
  await act(page, OWNER, 'say', { channel_id: channel, body: { content: 'Something new' } });
  await message(page, 'Something new').waitFor();
  expect((await all.count()) === 101, `${await all.count()} messages are left of 101`);

  // Two people, because each may send fifty requests a second.
  const roles = { guild_id: GUILD, body: { name: 'Role {n}' }, actors: [OWNER, ADAM], times: 30 };
  await act(page, OWNER, 'create_role', roles);
  // What was there before is read a page at a time.
  await page.reload();
  await page.getByRole('heading', { name: 'archive', exact: true }).waitFor();
  await page.getByRole('tab', { name: 'Audit log' }).click();
  const entries = page.locator('[data-action]');
  await page.getByRole('button', { name: 'Show older entries' }).click();
  await entries.nth(60).waitFor();
  const before = await entries.count();
  await act(page, OWNER, 'edit_member', { guild_id: GUILD, target_id: MARTA, body: { nick: 'Marta' } });
  await page.locator('[data-action="24"]').first().waitFor();
  await page.waitForFunction((before) => document.querySelectorAll('[data-action]').length > before, before);
  await page.getByRole('tab', { name: 'Members' }).click();
  await openChannel(page, 'general');
}
