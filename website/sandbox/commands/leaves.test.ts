import { describe, expect, it } from 'vitest';
import type { Command } from '../types';
import { leaves, matching, optionValue } from './leaves';

const commands: Command[] = [
  {
    id: '1',
    type: 1,
    name: 'backups',
    description: 'Backups',
    application: { id: '9', name: 'Bot' },
    options: [
      { type: 1, name: 'create', description: 'Create one', options: [{ type: 5, name: 'messages', description: '' }] },
      { type: 2, name: 'old', description: '', options: [{ type: 1, name: 'list', description: 'List old ones' }] }
    ]
  },
  { id: '2', type: 1, name: 'create', description: 'Create', application: { id: '9', name: 'Bot' } },
  { id: '3', type: 3, name: 'Report', description: '', application: { id: '9', name: 'Bot' } }
];

describe('commands', () => {
  it('become one entry per subcommand', () => {
    expect(leaves(commands).map((leaf) => leaf.name)).toEqual([
      'backups create',
      'backups old list',
      'create'
    ]);
    expect(leaves(commands)[0]?.options.map((option) => option.name)).toEqual(['messages']);
  });

  it('are found by what their names begin with, then contain', () => {
    const found = (typed: string) => matching(leaves(commands), typed).map((leaf) => leaf.name);
    expect(found('/cre')).toEqual(['create', 'backups create']);
    expect(found('/')).toHaveLength(3);
    expect(found('/nothing')).toEqual([]);
  });
});

describe('values of options', () => {
  const value = (type: number, text: string) => optionValue({ type, name: 'x', description: '' }, text);

  it('have the type of the option', () => {
    expect(value(3, '5')).toBe('5');
    expect(value(4, '5')).toBe(5);
    expect(value(10, '-0.5')).toBe(-0.5);
    expect(value(5, 'false')).toBe(false);
    expect(value(6, '1100000000000000010')).toBe('1100000000000000010');
  });

  it.each([
    [4, '1.5'],
    [4, 'x'],
    [10, ''],
    [10, 'Infinity']
  ])('of type %i refuse %j', (type, text) => expect(() => value(type, text)).toThrow('number'));
});
