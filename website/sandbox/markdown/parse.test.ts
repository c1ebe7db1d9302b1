import { describe, expect, it } from 'vitest';
import { address, parse, parseInline, plain, type Block, type Inline } from './parse';

/** The tree in a notation that is quick to read. */
function show(nodes: Inline[]): string {
  return nodes
    .map((node) => {
      switch (node.kind) {
        case 'text':
          return node.text;
        case 'code':
          return `code(${node.text})`;
        case 'mention':
          return `mention(${node.text})`;
        case 'emoji':
          return `emoji(${node.name} ${node.id}${node.animated ? ' animated' : ''})`;
        case 'time':
          return `time(${node.seconds} ${node.style})`;
        case 'link':
          return `link(${node.href} ${show(node.children)})`;
        case 'user':
        case 'role':
        case 'channel':
          return `${node.kind}(${node.id})`;
        default:
          return `${node.kind}(${show(node.children)})`;
      }
    })
    .join('');
}

function showBlocks(blocks: Block[]): string[] {
  return blocks.map((block) => {
    switch (block.kind) {
      case 'heading':
        return `h${block.level}(${show(block.children)})`;
      case 'quote':
        return `quote(${showBlocks(block.children).join(' / ')})`;
      case 'code':
        return `fence ${block.language}(${block.text})`;
      case 'list':
        return showList(block.list);
      default:
        return `${block.kind}(${show(block.children)})`;
    }
  });
}

function showList(list: (Block & { kind: 'list' })['list']): string {
  const items = list.items.map((item) => show(item.children) + item.inner.map(showList).join(''));
  return `${list.start === null ? 'ul' : `ol ${list.start}`}(${items.join(', ')})`;
}

const line = (source: string) => show(parseInline(source));

describe('marks', () => {
  it.each([
    ['**bold**', 'strong(bold)'],
    ['*em* and _em_', 'em(em) and em(em)'],
    ['__under__', 'underline(under)'],
    ['~~gone~~', 'strike(gone)'],
    ['||hidden||', 'spoiler(hidden)'],
    ['***both***', 'strong(em(both))'],
    ['__***all***__', 'underline(strong(em(all)))'],
    ['**a *b* c**', 'strong(a em(b) c)'],
    ['*a **b** c*', 'em(a strong(b) c)'],
    ['**over\nlines**', 'strong(over\nlines)'],
    ['snake_case_name', 'snake_case_name'],
    ['2 * 3 * 4', '2 * 3 * 4'],
    ['**open', '**open'],
    ['****', '****'],
    ['a ** b', 'a ** b'],
    ['~~a', '~~a']
  ])('%s', (source, expected) => expect(line(source)).toBe(expected));

  it('does not look into code', () => {
    expect(line('`**a**`')).toBe('code(**a**)');
    expect(line('``a ` b``')).toBe('code(a ` b)');
    expect(line('**a `**` b**')).toBe('strong(a code(**) b)');
    expect(line('` alone')).toBe('` alone');
  });

  it('obeys escapes', () => {
    expect(line('\\*\\*plain\\*\\*')).toBe('**plain**');
    expect(line('**a \\** b**')).toBe('strong(a ** b)');
    expect(line('C:\\dir')).toBe('C:\\dir');
    expect(line('\\<@1>')).toBe('<@1>');
  });
});

describe('mentions, emoji and times', () => {
  it.each([
    ['<@1> <@!2> <@&3> <#4>', 'user(1) user(2) role(3) channel(4)'],
    ['@everyone @here @hereby', 'mention(@everyone) mention(@here) @hereby'],
    ['</backups create:5>', 'mention(/backups create)'],
    ['<:anchor:6><a:wave:7>', 'emoji(anchor 6)emoji(wave 7 animated)'],
    ['<t:0> <t:1700000000:R>', 'time(0 f) time(1700000000 R)'],
    ['<t:99999999999999>', '<t:99999999999999>'],
    [':tada: :not_an_emoji: 10:30:45', '🎉 :not_an_emoji: 10:30:45'],
    ['<@x> <#> <::1>', '<@x> <#> <::1>']
  ])('%s', (source, expected) => expect(line(source)).toBe(expected));
});

describe('links', () => {
  it.each([
    ['see https://a.test/x.', 'see link(https://a.test/x https://a.test/x).'],
    ['(https://a.test/b_(c))', '(link(https://a.test/b_(c) https://a.test/b_(c)))'],
    ['<https://a.test/>', 'link(https://a.test/ https://a.test/)'],
    ['[**name**](https://a.test/)', 'link(https://a.test/ strong(name))'],
    ['[a](https://a.test "title")', 'link(https://a.test/ a)'],
    ['[a](<https://a.test>)', 'link(https://a.test/ a)'],
    ['[a [b]](https://a.test/)', 'link(https://a.test/ a [b])'],
    ['**https://a.test/**', 'strong(link(https://a.test/ https://a.test/))'],
    ['xhttps://a.test', 'xhttps://a.test']
  ])('%s', (source, expected) => expect(line(source)).toBe(expected));

  it.each([
    '[x](javascript:alert(1))',
    '[x](data:text/html,<script>)',
    '[x](//a.test)',
    '[x](/ctl/reset)',
    'javascript://a.test/%0aalert(1)',
    '<javascript:alert(1)>'
  ])('never lead elsewhere: %s', (source) => expect(line(source)).toBe(source));

  it('do not pretend to lead elsewhere', () => {
    expect(line('[https://good.test](https://evil.test/)')).toContain('link(https://good.test/');
    expect(line('[https://good.test](https://evil.test/)')).not.toContain('link(https://evil.test/ https://good');
  });

  it('address knows the web alone', () => {
    expect(address('https://a.test')).toBe('https://a.test/');
    for (const url of ['javascript:1', 'attachment://a.png', 'a', '', null, 'file:///etc']) {
      expect(address(url)).toBeNull();
    }
  });
});

describe('blocks', () => {
  it.each([
    ['# a\n## b\n### c\n#### d', ['h1(a)', 'h2(b)', 'h3(c)', 'paragraph(#### d)']],
    ['-# small', ['subtext(small)']],
    ['#no', ['paragraph(#no)']],
    ['a\n\nb', ['paragraph(a\n\nb)']],
    ['> a\n> **b**\nc', ['quote(paragraph(a\nstrong(b)))', 'paragraph(c)']],
    ['a\n>>> b\nc', ['paragraph(a)', 'quote(paragraph(b\nc))']],
    ['> > a', ['quote(paragraph(> a))']],
    ['- a\n- b\n  - c\n- d', ['ul(a, bul(c), d)']],
    ['3. a\n4. b', ['ol 3(a, b)']],
    ['- a\n1. b', ['ul(a)', 'ol 1(b)']],
    ['```js\nlet a;\n```', ['fence js(let a;)']],
    ['a ```b``` c', ['paragraph(a )', 'fence (b)', 'paragraph( c)']],
    ['```\n# a\n- b\n```', ['fence (# a\n- b)']],
    ['``` open', ['paragraph(``` open)']],
    ['a\r\nb', ['paragraph(a\nb)']]
  ])('%j', (source, expected) => expect(showBlocks(parse(source))).toEqual(expected));

  it('is empty for nothing', () => {
    expect(parse('')).toEqual([]);
    expect(parse(' \n ')).toEqual([]);
  });
});

describe('hostile text', () => {
  const SIZE = 6000;
  /** A parser that looks back at everything it has read takes minutes. */
  const MOST_WORK_MS = 10_000;

  /** Milliseconds of processor time: a busy machine does not count. */
  function work(done: () => void): number {
    const before = process.cpuUsage();
    done();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000;
  }

  const marks = ['*', '**', '_', '__', '~~', '||', '`', '``', '[', '](', '<', '<@', '<t:', '> ', '- ', '\\', ':', '```', '# ', '[a](https://'];

  it.each(marks)('many %j are read at once', (mark) => {
    for (const between of ['', 'a', ' ', '\n']) {
      const source = (mark + between).repeat(Math.ceil(SIZE / (mark + between).length));
      expect(work(() => parse(source))).toBeLessThan(MOST_WORK_MS);
    }
  });

  it('every pair of marks is read at once', () => {
    const all = () => {
      for (const a of marks) for (const b of marks) parse(`${a}x${b}`.repeat(300));
    };
    expect(work(all)).toBeLessThan(MOST_WORK_MS);
  });

  it('keeps markup as text', () => {
    const source = '<script>alert(1)</script><img src=x onerror=alert(1)>';
    expect(parse(source)).toEqual([
      { kind: 'paragraph', children: [{ kind: 'text', text: source }] }
    ]);
  });

  it('loses nothing of what it does not understand', () => {
    // Letters survive whatever stands around them.
    let seed = 7;
    const random = (below: number) => (seed = (seed * 48271) % 2147483647) % below;
    for (let round = 0; round < 500; round += 1) {
      let source = '';
      for (let n = 0; n < 40; n += 1) source += (marks[random(marks.length)] ?? '') + 'vwz'[random(3)];
      const letters = (text: string) => text.replace(/[^vwz]/g, '');
      const shown = showBlocks(parse(source.replaceAll('https://', ''))).join('');
      expect(letters(shown)).toBe(letters(source.replaceAll('https://', '')));
      expect(JSON.stringify(parseInline(source))).not.toMatch(/"kind":"link"[^\]]*"kind":"link"/);
    }
  });
});

it('previews are plain', () => {
  expect(plain(parseInline('**a** ||secret|| <@1> `c` [d](https://e.test)'))).toBe('a ▒▒▒ @… c d');
});
