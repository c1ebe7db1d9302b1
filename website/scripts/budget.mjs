// What each page makes a browser load before it works: scripts and styles as they are sent, compressed
// with Brotli (without what a guide says, which is content). Fails when a page takes more than its budget.
//
//   node scripts/budget.mjs build | build-sandbox
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { brotliCompressSync } from 'node:zlib';

const KB = 1000;
const STYLES = 15 * KB;

/** By the beginning of a page's address; the first that fits counts. */
const SCRIPTS = [
  { page: /^dashboard\/(guilds|developers)/, most: 120 * KB },
  { page: /^dashboard/, most: 75 * KB },
  { page: /^(mewld\/|docs\/|status)/, most: 75 * KB },
  { page: /^sandbox$/, most: 120 * KB },
  { page: /^/, most: 60 * KB }
];

const [, , directory = 'build'] = process.argv;
const sizes = new Map();

/** Compressed bytes of a file below the directory. */
async function size(path) {
  if (!sizes.has(path)) sizes.set(path, brotliCompressSync(await readFile(join(directory, path))).length);
  return sizes.get(path);
}

async function sum(paths) {
  const all = await Promise.all([...new Set(paths)].map(size));
  return all.reduce((total, bytes) => total + bytes, 0);
}

const found = (html, pattern) => [...html.matchAll(pattern)].map(([, path]) => path.slice(1));

async function pages() {
  const names = await readdir(directory, { recursive: true });
  return names.filter((name) => name.endsWith('.html')).sort();
}

const over = [];
const rows = [];
for (const file of await pages()) {
  const html = await readFile(join(directory, file), 'utf8');
  const scripts = found(html, /(?:src=|href=|import\()"(\/[^"]+\.js)"/g);
  const styles = found(html, /href="(\/[^"]+\.css)"/g);
  const page = directory.endsWith('sandbox') ? 'sandbox' : file.replace(/(^|\/)index\.html$|\.html$/, '$1');
  const row = {
    page: page || '/',
    scripts: await sum(scripts),
    styles: await sum(styles),
    most: SCRIPTS.find((budget) => budget.page.test(page)).most
  };
  rows.push(row);
  if (row.scripts > row.most) over.push(`${row.page}: ${row.scripts} bytes of script, more than ${row.most}`);
  if (row.styles > STYLES) over.push(`${row.page}: ${row.styles} bytes of styles, more than ${STYLES}`);
}
if (rows.length === 0) over.push(`no page is in ${directory}`);

const kb = (bytes) => (bytes / KB).toFixed(1).padStart(7);
console.log('script   of   css  kB, Brotli');
for (const { page, scripts, styles, most } of rows) {
  console.log(`${kb(scripts)}${kb(most)}${kb(styles)}  ${page}`);
}
if (over.length > 0) {
  console.error(over.join('\n'));
  process.exitCode = 1;
}
