// A page as someone without a mouse uses it.

/** Tab stops before anything in the page has to be reached. */
const MOST_TABS = 60;

/** Presses Tab until the focus is on `target`, as someone without a mouse has to. */
export async function tabTo(page, target) {
  for (let n = 0; n < MOST_TABS; n += 1) {
    if (await target.evaluate((node) => node === document.activeElement)) return;
    await page.keyboard.press('Tab');
  }
  throw new Error(`${target} cannot be reached with Tab`);
}

export const focused = (target) => target.evaluate((node) => node === document.activeElement);

/** Chooses in a combobox: types, waits for the offer, Enter. */
export async function pick(page, field, text, option) {
  await tabTo(page, field);
  await page.keyboard.type(text);
  await page.getByRole('option', { name: option }).first().waitFor();
  await page.keyboard.press('Enter');
}

/** The newest message with this text. */
export const message = (page, text) => page.locator('[data-message]').filter({ hasText: text }).last();
