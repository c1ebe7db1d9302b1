import { marked, type Token, type Tokens } from 'marked';
import { plain, type Block, type Guide, type Inline } from './tree';

/** Where links out of `docs/` lead. */
const SOURCE = 'https://github.com/anti-raid/splashtail/blob/main/';

/**
 * A guide from its Markdown. Comments are left out; what this page has no form for is shown as it is
 * written.
 *
 * @throws when it does not begin with its title.
 */
export function readGuide(name: string, markdown: string): Guide {
  const ids = new Map<string, number>();
  const [first, ...rest] = blocks(marked.lexer(markdown), ids);
  if (first?.kind !== 'heading' || first.level !== 1) throw new Error(`${name} does not begin with its title`);
  const sections = rest.flatMap((block) =>
    block.kind === 'heading' && block.level === 2 ? [{ id: block.id, title: plain(block.children) }] : []
  );
  return { name, title: plain(first.children), blocks: rest, sections };
}

function blocks(tokens: Token[], ids: Map<string, number>): Block[] {
  return tokens.flatMap((token): Block[] => {
    switch (token.type) {
      case 'checkbox':
      case 'space':
      case 'hr':
        return [];
      case 'heading': {
        const children = inlines(token.tokens ?? []);
        return [{ kind: 'heading', level: token.depth, id: anchor(plain(children), ids), children }];
      }
      case 'paragraph':
      case 'text':
        return [{ kind: 'paragraph', children: inlines(token.tokens ?? [token]) }];
      case 'code':
        return [{ kind: 'code', text: token.text }];
      case 'blockquote':
        return [{ kind: 'quote', children: blocks(token.tokens ?? [], ids) }];
      case 'list': {
        const list = token as Tokens.List;
        const items = list.items.map((item) => {
          const inner = blocks(item.tokens, ids);
          const [first] = inner;
          if (item.task && first?.kind === 'paragraph') {
            first.children.unshift({ kind: 'text', text: item.checked ? '☑ ' : '☐ ' });
          }
          return inner;
        });
        return [{ kind: 'list', start: list.ordered ? Number(list.start) : null, items }];
      }
      case 'table': {
        const table = token as Tokens.Table;
        const cells = (row: Tokens.TableCell[]) => row.map((cell) => inlines(cell.tokens));
        return [{ kind: 'table', head: cells(table.header), rows: table.rows.map(cells) }];
      }
      case 'html':
        return isComment(token) ? [] : [{ kind: 'code', text: token.raw }];
      default:
        return [{ kind: 'paragraph', children: [{ kind: 'text', text: token.raw }] }];
    }
  });
}

const isComment = ({ raw }: Token) => /^(\s*<!--[\s\S]*?-->\s*)+$/.test(raw);

function inlines(tokens: Token[]): Inline[] {
  return tokens.flatMap((token): Inline[] => {
    switch (token.type) {
      case 'text':
      case 'escape':
        return token.type === 'text' && token.tokens ? inlines(token.tokens) : [{ kind: 'text', text: token.text }];
      case 'checkbox':
        // Its item begins with it: see `blocks`.
        return [];
      case 'br':
        return [{ kind: 'text', text: ' ' }];
      case 'codespan':
        return [{ kind: 'code', text: token.text }];
      case 'strong':
      case 'em':
        return [{ kind: token.type, children: inlines(token.tokens ?? []) }];
      case 'link':
        return [{ kind: 'link', href: target(token.href), children: inlines(token.tokens ?? []) }];
      case 'html':
        return isComment(token) ? [] : [{ kind: 'code', text: token.raw }];
      default:
        return [{ kind: 'text', text: token.raw }];
    }
  });
}

/** Guides lead to each other here, and to everything else in the repository. */
function target(href: string): string {
  if (/^(https?:|#)/.test(href)) return href;
  const guide = /^([\w-]+)\.md(#.*)?$/.exec(href);
  if (guide) return `/guides/${guide[1]}${guide[2] ?? ''}`;
  return SOURCE + href.replace(/^(\.\.\/)+/, '');
}

/** As the repository's own pages name their sections, so that links there work here, too. */
function anchor(title: string, ids: Map<string, number>): string {
  const id = title
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replace(/\s/g, '-');
  const times = ids.get(id) ?? 0;
  ids.set(id, times + 1);
  return times === 0 ? id : `${id}-${times}`;
}
