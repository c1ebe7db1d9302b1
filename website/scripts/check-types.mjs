// Fails when src/lib/api/schema.d.ts is not what openapi.json generates.
import { readFile } from 'node:fs/promises';
import openapiTS, { astToString } from 'openapi-typescript';

const root = new URL('../', import.meta.url);
const generated = astToString(await openapiTS(new URL('openapi.json', root)));
const committed = await readFile(new URL('src/lib/api/schema.d.ts', root), 'utf8');
// The command line tool puts a notice in front.
if (!committed.replaceAll('\r\n', '\n').endsWith(generated)) {
  console.error('src/lib/api/schema.d.ts is out of date: run `npm run types`');
  process.exit(1);
}
