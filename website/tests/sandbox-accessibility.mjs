// The sandbox's page in its states: no fault that axe finds, in both themes, on a phone and a desk,
// and with storage that the browser refuses. Needs a sandbox with the `small` world only.
//
//   CONTROL_URL   origin of the control API, for example http://127.0.0.1:4402
//   CHROMIUM, SCREENSHOTS as for browser.mjs
//
// Prints one JSON object: {"states":9,"languages":2}.
import { checkAccessibility } from './axe.mjs';
import { blockedStorage, expect, launch, observed } from './browser.mjs';

const view = (page, name) => page.getByRole('navigation', { name: 'Views' }).getByRole('button', { name, exact: true });

/** Language, its direction, and how it calls the views. */
const LANGUAGES = [
  ['de', 'ltr', 'Ansichten'],
  ['ar', 'rtl', 'العروض']
];

/** Name and how the state comes about on a page of 360 pixels that shows the chat. */
const STATES = [
  { name: 'sandbox-chat', reach: async () => undefined },
  {
    name: 'sandbox-media',
    reach: async (page) => {
      await view(page, 'Channels').click();
      await page.locator('button[data-channel]', { hasText: 'media' }).click();
      await page.getByAltText('alpha.png').waitFor();
    }
  },
  {
    name: 'sandbox-actions',
    reach: async (page) => {
      await page.locator('[data-message]').last().hover();
      await page.locator('[data-message]').last().focus();
    }
  },
  { name: 'sandbox-channels', reach: async (page) => view(page, 'Channels').click() },
  {
    name: 'sandbox-members',
    reach: async (page) => {
      await view(page, 'Details').click();
      await page.getByRole('button', { name: /^Pavel/ }).waitFor();
    }
  },
  {
    name: 'sandbox-member',
    reach: async (page) => {
      await view(page, 'Details').click();
      await page.getByRole('button', { name: /^Pavel/ }).click();
      await page.getByRole('dialog', { name: 'Pavel' }).waitFor();
    }
  },
  {
    name: 'sandbox-audit',
    reach: async (page) => {
      await view(page, 'Details').click();
      await page.getByRole('tab', { name: 'Audit log' }).click();
    }
  },
  {
    name: 'sandbox-drills',
    reach: async (page) => {
      await view(page, 'Details').click();
      await page.getByRole('tab', { name: 'Drills' }).click();
      await page.getByRole('radio', { name: /^Raid/ }).waitFor();
    }
  },
  {
    name: 'sandbox-world',
    reach: async (page) => {
      await page.getByRole('button', { name: 'World', exact: true }).click();
      await page.getByRole('dialog').waitFor();
    }
  }
];

async function open(context, control) {
  const { page, problems } = await observed(context);
  await page.setViewportSize({ width: 360, height: 740 });
  await page.goto(control, { waitUntil: 'load' });
  await page.getByRole('log').waitFor();
  await page.locator('[data-message]').first().waitFor();
  return { page, problems };
}

async function main() {
  const control = process.env.CONTROL_URL;
  expect(control, 'CONTROL_URL has to be set');
  const browser = await launch();
  try {
    const context = await browser.newContext({ locale: 'en' });
    const faults = [];
    for (const { name, reach } of STATES) {
      const { page } = await open(context, control);
      try {
        await reach(page);
        await checkAccessibility(page, name);
      } catch (error) {
        faults.push(`${name}: ${error.message}`);
      }
      await page.close();
    }
    for (const [locale, dir, views] of LANGUAGES) {
      const context = await browser.newContext({ locale });
      const { page } = await open(context, control);
      try {
        await page.waitForFunction((dir) => document.documentElement.dir === dir, dir);
        await page.getByRole('navigation', { name: views }).waitFor();
        await checkAccessibility(page, `sandbox-${locale}`);
      } catch (error) {
        faults.push(`${locale}: ${error.message}`);
      }
      await context.close();
    }
    expect(faults.length === 0, faults.join('\n'));
    await blockedStorage(async (context) => {
      const { page, problems } = await open(context, control);
      expect(problems.length === 0, `with storage blocked the page reports problems:\n${problems.join('\n')}`);
      await page.close();
    });
    console.log(JSON.stringify({ states: STATES.length, languages: LANGUAGES.length }));
  } finally {
    await browser.close();
  }
}

main().catch((error) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
