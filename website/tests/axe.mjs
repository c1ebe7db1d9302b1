// What a machine can tell about WCAG 2.2 AA, in both themes, on a phone and on a desk.
import axe from 'axe-core';
import { expect, picture } from './browser.mjs';

const THEMES = ['light', 'dark'];
const SIZES = [
  { width: 360, height: 740 },
  { width: 1280, height: 800 }
];
const EVERYTHING = { type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] };
/** The themes have one tree and one layout, only `html` has another class: what differs are the colours. */
const COLOURS = { type: 'rule', values: ['color-contrast', 'link-in-text-block'] };

/**
 * Fails with what axe finds, with fields whose edge cannot be seen (axe does not look at those),
 * and with what `checkLayout` finds. Leaves the page in the light theme at 1280 pixels.
 */
export async function checkAccessibility(page, name) {
  const found = [];
  // Once in a page, and by the debugger: a script element would need a hole in the page's policy.
  await page.evaluate(axe.source);
  for (const colorScheme of THEMES) {
    const runOnly = colorScheme === 'light' ? EVERYTHING : COLOURS;
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    for (const size of SIZES) {
      await page.setViewportSize(size);
      await settled(page);
      const where = `${name}, ${colorScheme}, ${size.width} px`;
      await picture(page, `${name}-${colorScheme}-${size.width}`);
      const { violations } = await page.evaluate((runOnly) => globalThis.axe.run(document, { runOnly, resultTypes: ['violations'] }), runOnly);
      for (const { id, help, nodes } of violations) {
        for (const node of nodes) found.push(`${where}: ${id}: ${help}: ${node.html.slice(0, 160)} ${node.failureSummary ?? ''}`);
      }
      for (const faint of await page.evaluate(faintEdges)) found.push(`${where}: ${faint}`);
      if (colorScheme === 'light') found.push(...(await spilled(page, size, where)));
    }
  }
  await atRest(page, found);
}

/** Fails with texts that run out of their boxes and with a page that is wider than the screen, and looks at nothing else. */
export async function checkLayout(page, name) {
  const found = [];
  await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
  for (const size of SIZES) {
    await page.setViewportSize(size);
    await settled(page);
    await picture(page, `${name}-light-${size.width}`);
    found.push(...(await spilled(page, size, `${name}, ${size.width} px`)));
  }
  await atRest(page, found);
}

async function atRest(page, found) {
  await page.emulateMedia({ colorScheme: 'light', reducedMotion: null });
  expect(found.length === 0, `${found.length} faults:\n${[...new Set(found)].join('\n')}`);
}

async function spilled(page, size, where) {
  const found = (await page.evaluate(spills)).map((text) => `${where}: ${text}`);
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  if (width > size.width) found.push(`${where}: the page is ${width} pixels wide`);
  return found;
}

/** The page has been drawn in its new theme and size, and nothing moves any more. */
function settled(page) {
  return page.evaluate(async () => {
    const drawn = () => new Promise((resolve) => requestAnimationFrame(resolve));
    await drawn();
    await drawn();
    await Promise.allSettled(document.getAnimations().map((animation) => animation.finished));
  });
}

/** Runs in the page. Texts that run out of the box they stand in. */
function spills() {
  const found = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  while (texts.nextNode()) {
    const { currentNode: text } = texts;
    const element = text.parentElement;
    if (!text.data.trim() || !element.checkVisibility({ visibilityProperty: true }) || element.closest('.sr-only')) continue;
    const box = element.closest('button, .button, .panel, [role="row"], dialog, [role="status"], [role="alert"]');
    if (!box || getComputedStyle(box).overflowX === 'auto' || element.closest('pre, .overflow-x-auto, .overflow-y-auto, .truncate')) continue;
    range.selectNodeContents(text);
    const [inner, outer] = [range.getBoundingClientRect(), box.getBoundingClientRect()];
    if (outer.width > 2 && inner.width > 0 && (inner.right > outer.right + 1 || inner.left < outer.left - 1)) {
      found.push(`a text runs out of its box: ${text.data.trim().slice(0, 80)}`);
    }
  }
  return found;
}

/** Runs in the page. Fields with an edge of less than 3:1 against what is around them. */
function faintEdges() {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgb = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (colour) => {
    const [r, g, b] = rgb(colour)
      .slice(0, 3)
      .map((channel) => channel / 255)
      .map((channel) => (channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const around = (element) => {
    for (let it = element.parentElement; it; it = it.parentElement) {
      const { backgroundColor } = getComputedStyle(it);
      if (rgb(backgroundColor)[3] === 255) return backgroundColor;
    }
    return getComputedStyle(document.documentElement).backgroundColor;
  };
  return [...document.querySelectorAll('input, select, textarea')]
    .filter((field) => field.checkVisibility() && !['checkbox', 'radio', 'file'].includes(field.type))
    .flatMap((field) => {
      const style = getComputedStyle(field);
      // A field without an edge of its own lies in a box that has it.
      if (style.borderTopStyle === 'none' || style.borderTopWidth === '0px') return [];
      const [a, b] = [luminance(style.borderTopColor), luminance(around(field))].sort((a, b) => b - a);
      const contrast = (a + 0.05) / (b + 0.05);
      return contrast < 3 ? [`an edge of ${contrast.toFixed(2)}:1: ${field.outerHTML.slice(0, 120)}`] : [];
    });
}
