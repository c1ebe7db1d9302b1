import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { StatusEntry } from '$lib/api/client';
import { keptUntil, kindText, logLines, MOST_LINES } from './task';

it('names the kinds it knows', () => {
  expect(kindText('guild_create_backup')).toBe('kind.guild_create_backup');
  expect(kindText('toString')).toBeNull();
});

it('names every kind that there is', () => {
  const declared = readFileSync('../crates/api-types/src/job_kinds.rs', 'utf8');
  const kinds = [...declared.matchAll(/^ +name: "(\w+)"/gm)].map(([, kind]) => kind!);
  expect(kinds).toContain('guild_create_backup');
  expect(kinds.filter((kind) => kindText(kind) === null)).toEqual([]);
});

it('counts the expiry in nanoseconds from the creation', () => {
  const created_at = '2026-01-01T00:00:00Z';
  expect(keptUntil({ created_at, expiry: 86_400e9 })).toEqual(new Date('2026-01-02T00:00:00Z'));
  expect(keptUntil({ created_at, expiry: null })).toBeNull();
  expect(keptUntil({ created_at, expiry: 0 })).toBeNull();
});

it('shows what a line says beside its words, but not what it hides', () => {
  const entry = { level: 'info', ts: 1.5, msg: 'read', channel: '17', counts: { a: 1 }, secret: 'x', botDisplayIgnore: ['secret'] } as StatusEntry;
  expect(logLines([entry]).lines).toEqual([
    { key: '0', at: new Date(1500), level: 'info', text: 'read', extra: 'channel=17 counts={"a":1}' }
  ]);
});

it('shows the end of a long log under keys that stay', () => {
  const entries = Array.from({ length: MOST_LINES + 2 }, (_, n) => ({ level: 'info', ts: n, msg: `line ${n}` }) as StatusEntry);
  const { lines, older } = logLines(entries);
  expect([lines.length, older, lines[0]?.text, lines[0]?.key]).toEqual([MOST_LINES, 2, 'line 2', '2']);
});
