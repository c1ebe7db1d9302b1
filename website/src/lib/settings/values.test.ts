import { describe, expect, it } from 'vitest';
import { ApiError } from '$lib/api/client';
import type { Column, Inner, Setting } from './declaration';
import { columnOf, draftOf, fieldsOf, titleOf, valueOf } from './values';

const column = (id: string, inner: Inner, changes: Partial<Column> = {}, list = false): Column => ({
  id,
  name: id,
  description: '',
  column_type: list ? { Array: { inner } } : { Scalar: { inner } },
  nullable: false,
  unique: false,
  secret: false,
  ignored_for: [],
  ...changes
});
const text: Inner = { String: { min_length: 1, max_length: 3, allowed_values: [], kind: 'Normal' } };
const whole: Inner = { Integer: { min: 1, max: 9 } };

describe('a value', () => {
  it.each([
    [column('a', whole), '7', 7],
    [column('a', whole), '12', 'wrong.range'],
    [column('a', whole), '1.5', 'wrong.whole'],
    [column('a', { Float: { min: 0, max: 2 } }), '1.5', 1.5],
    [column('a', { Boolean: {} }), 'false', false],
    [column('a', { Json: { max_bytes: 9 } }), '{"a":1}', { a: 1 }],
    [column('a', { Json: { max_bytes: 9 } }), '{', 'wrong.json'],
    [column('a', text), 'abcd', 'wrong.long'],
    [column('a', text), '', 'wrong.empty'],
    [column('a', text, { nullable: true }), '', null],
    [column('a', text, { secret: true }), '', undefined],
    // Larger than a number can hold.
    [column('a', { BitFlag: { values: {} } }), '18446744073709551615', '18446744073709551615'],
    [column('a', text, {}, true), ['a', ' ', 'b'], ['a', 'b']]
  ])('of %j from %j', (column, draft, expected) => {
    const read = valueOf(column, draft, 'Update');
    expect('wrong' in read ? read.wrong.text : read.value).toEqual(expected);
  });

  it('of time is the viewer’s on the page and UTC in the order', () => {
    const at = column('a', { Timestamp: {} });
    const draft = draftOf(at, '2026-01-02T03:04:00Z');
    expect(valueOf(at, draft, 'Update')).toEqual({ value: '2026-01-02T03:04:00Z' });
  });
});

describe('an order', () => {
  const setting: Setting = {
    id: 's',
    name: 'S',
    description: '',
    primary_key: 'key',
    title_template: '{key}: {count} {gone}',
    columns: [column('key', text), column('count', whole, { nullable: true }), column('made', text, { ignored_for: ['Create', 'Update'] })],
    operations: ['View', 'Create', 'Update', 'Delete'],
    max_entries: 3
  };
  const before = { key: 'a', count: '1', made: 'x' };

  it('names what is other and the key', () => {
    expect(fieldsOf(setting, 'Update', before, { ...before, count: '' })).toEqual({ fields: { key: 'a', count: null } });
    expect(fieldsOf(setting, 'Create', {}, { key: 'b', count: '' })).toEqual({ fields: { key: 'b' } });
    expect(fieldsOf(setting, 'Update', before, { ...before, count: '99' })).toEqual({ wrong: { count: { text: 'wrong.range', values: { min: 1, max: 9 } } } });
  });

  it('that is refused names its column', () => {
    const error = new ApiError('no', 400, 'settings_refused', null, null, null, { code: 'settings_refused', RowExists: { column_id: 'key', count: 1 } });
    expect(columnOf(error)).toBe('key');
    expect(columnOf(new ApiError('no', 400, 'x'))).toBeNull();
  });

  it('has a title without what there is not', () => {
    expect(titleOf(setting, { key: 'a', count: 2 }, (_, value) => String(value))).toBe('a: 2 ');
  });
});
