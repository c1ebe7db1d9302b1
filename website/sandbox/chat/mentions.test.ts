import { describe, expect, it } from 'vitest';
import { trigger, written } from './mentions';

describe('a mention that is typed', () => {
  it.each([
    ['@', { sign: '@', query: '', from: 0 }],
    ['hello @ad', { sign: '@', query: 'ad', from: 6 }],
    ['two\n#gen', { sign: '#', query: 'gen', from: 4 }],
    ['@Zoë', { sign: '@', query: 'Zoë', from: 0 }]
  ])('%j', (text, found) => expect(trigger(text)).toEqual(found));

  it.each(['', 'hello', 'me@example', '@ada ', '@@', 'a#b'])('is not in %j', (text) => {
    expect(trigger(text)).toBeUndefined();
  });
});

it('sends mentions for the names that were chosen', () => {
  const chosen = new Map([
    ['@Ada', '<@1>'],
    ['@Ada (L.)', '<@2>'],
    ['#general', '<#3>']
  ]);
  expect(written('@Ada (L.) and @Ada in #general, @Bob', chosen)).toBe('<@2> and <@1> in <#3>, @Bob');
  expect(written('@Ada', new Map())).toBe('@Ada');
});
