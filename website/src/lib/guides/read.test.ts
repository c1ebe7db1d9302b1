import { describe, expect, it } from 'vitest';
import { GUIDES } from './library';
import { readGuide } from './read';
import type { Block, Inline } from './tree';

const read = (text: string) => readGuide('test', `# Title\n\n${text}`);

describe('a guide', () => {
  it('has a title, sections that links of the repository find, and its blocks', () => {
    const guide = read('## When it *fails*: `kill -9`\n\ntext\n\n## Same\n\n## Same\n\n1. one\n2. two\n\n| a | b |\n|---|---|\n| 1 | `2` |');
    expect(guide.title).toBe('Title');
    expect(guide.sections.map(({ id }) => id)).toEqual(['when-it-fails-kill--9', 'same', 'same-1']);
    expect(guide.blocks.map(({ kind }) => kind)).toEqual(['heading', 'paragraph', 'heading', 'heading', 'list', 'table']);
  });

  it.each([
    ['operating.md', '/guides/operating'],
    ['sandbox.md#drills', '/guides/sandbox#drills'],
    ['#same', '#same'],
    ['../ARCHITECTURE.md', 'https://github.com/anti-raid/splashtail/blob/main/ARCHITECTURE.md'],
    ['https://example.org/x', 'https://example.org/x']
  ])('leads from %s to %s', (written, wanted) => {
    const [block] = read(`[there](${written})`).blocks;
    expect((block as { children: Inline[] }).children[0]).toMatchObject({ kind: 'link', href: wanted });
  });

  it('shows what it has no form for as it is written, and comments never', () => {
    const { blocks } = read('<!-- table: from x.rs -->\n\na <b>bold</b> ![picture](x.png) <!-- y --> end\n\n<div>\n</div>');
    expect(blocks).toEqual([
      {
        kind: 'paragraph',
        children: [
          { kind: 'text', text: 'a ' },
          { kind: 'code', text: '<b>' },
          { kind: 'text', text: 'bold' },
          { kind: 'code', text: '</b>' },
          { kind: 'text', text: ' ' },
          { kind: 'text', text: '![picture](x.png)' },
          { kind: 'text', text: ' ' },
          { kind: 'text', text: ' end' }
        ]
      },
      { kind: 'code', text: '<div>\n</div>' }
    ]);
  });
});

describe('the guides of docs/', () => {
  const targets = (children: (Block | Inline)[]): string[] =>
    children.flatMap((child) => {
      if (child.kind === 'link') return [child.href];
      if (child.kind === 'list') return child.items.flatMap(targets);
      if (child.kind === 'table') return [child.head, ...child.rows].flat().flatMap(targets);
      return 'children' in child ? targets(child.children) : [];
    });

  it('lead only to sections and guides that exist', () => {
    const known = new Set(
      GUIDES.flatMap(({ name, blocks }) => [
        `/guides/${name}`,
        ...blocks.flatMap((block) => (block.kind === 'heading' ? [`/guides/${name}#${block.id}`] : []))
      ])
    );
    const inner = GUIDES.flatMap(({ name, blocks }) =>
      targets(blocks).map((href) => (href.startsWith('#') ? `/guides/${name}${href}` : href))
    ).filter((href) => href.startsWith('/guides/'));
    expect(inner.length).toBeGreaterThan(0);
    expect(inner.filter((href) => !known.has(href))).toEqual([]);
  });
});
