import { SHORTCODES } from './shortcodes';

// Discord's dialect of Markdown, read into a tree. Nothing here makes markup: whatever is not
// understood stays text, and links lead to http and https alone.

export type Inline =
  | { kind: 'text'; text: string }
  | { kind: 'strong' | 'em' | 'underline' | 'strike' | 'spoiler'; children: Inline[] }
  | { kind: 'code'; text: string }
  | { kind: 'link'; href: string; children: Inline[] }
  | { kind: 'user' | 'role' | 'channel'; id: string }
  | { kind: 'mention'; text: string }
  | { kind: 'emoji'; id: string; name: string; animated: boolean }
  | { kind: 'time'; seconds: number; style: string };

export type Block =
  | { kind: 'paragraph'; children: Inline[] }
  | { kind: 'heading'; level: number; children: Inline[] }
  | { kind: 'subtext'; children: Inline[] }
  | { kind: 'quote'; children: Block[] }
  | { kind: 'list'; list: List }
  | { kind: 'code'; language: string; text: string };

export interface List {
  /** Number of the first item; `null` for bullets. */
  start: number | null;
  items: { children: Inline[]; inner: List[] }[];
}

/** Marks inside of marks deeper than this stay text. */
const DEEPEST = 8;
const LIST_ITEM = /^( *)([-*]|\d{1,9}\.) +(\S.*)$/;
const LONGEST_LABEL = 500;

export function parse(source: string): Block[] {
  return blocks(source.replaceAll('\r\n', '\n'), false);
}

/** Titles and names: one line without blocks. */
export function parseInline(source: string): Inline[] {
  return inline(source, 0, false);
}

function blocks(source: string, quoted: boolean): Block[] {
  const found: Block[] = [];
  let lines: string[] = [];
  let at = 0;
  let fences = true;

  const endParagraph = () => {
    const text = lines.join('\n');
    lines = [];
    if (text.trim()) found.push({ kind: 'paragraph', children: inline(text, 0, false) });
  };

  while (at < source.length) {
    const end = lineEnd(source, at);
    const line = source.slice(at, end);

    const open = fences ? line.indexOf('```') : -1;
    if (open >= 0) {
      const close = source.indexOf('```', at + open + 3);
      const body = close < 0 ? '' : source.slice(at + open + 3, close);
      if (body.trim()) {
        if (open > 0) lines.push(line.slice(0, open));
        endParagraph();
        found.push(fenced(body));
        at = close + 3;
        if (source[at] === '\n') at += 1;
        continue;
      }
      fences = close >= 0;
    }

    const quote = !quoted && /^>>> ?|^> /.exec(line)?.[0];
    if (quote) {
      endParagraph();
      let inner: string;
      if (quote.startsWith('>>>')) {
        inner = source.slice(at + quote.length);
        at = source.length;
      } else {
        const held: string[] = [];
        while (at < source.length && source.startsWith('> ', at)) {
          const stop = lineEnd(source, at);
          held.push(source.slice(at + 2, stop));
          at = stop + 1;
        }
        inner = held.join('\n');
      }
      found.push({ kind: 'quote', children: blocks(inner, true) });
      continue;
    }

    const heading = /^(#{1,3}) +(\S.*)$/.exec(line);
    const subtext = /^-# +(\S.*)$/.exec(line);
    if (heading?.[1] && heading[2]) {
      endParagraph();
      const children = inline(heading[2], 0, false);
      found.push({ kind: 'heading', level: heading[1].length, children });
    } else if (subtext?.[1]) {
      endParagraph();
      found.push({ kind: 'subtext', children: inline(subtext[1], 0, false) });
    } else if (LIST_ITEM.test(line)) {
      endParagraph();
      const items: Item[] = [];
      for (let item; at < source.length && (item = listItem(source, at)); at = item.end + 1) {
        items.push(item);
      }
      for (const list of lists(items, 0, items.length, 0)) found.push({ kind: 'list', list });
      continue;
    } else {
      lines.push(line);
    }
    at = end + 1;
  }
  endParagraph();
  return found;
}

function lineEnd(source: string, at: number): number {
  const end = source.indexOf('\n', at);
  return end < 0 ? source.length : end;
}

function fenced(body: string): Block {
  const named = /^([\w+#.-]{1,30})\n/.exec(body);
  const text = named ? body.slice(named[0].length) : body;
  const trimmed = text.replace(/^\n/, '').replace(/\n$/, '');
  return { kind: 'code', language: named?.[1] ?? '', text: trimmed };
}

interface Item {
  level: number;
  number: number | null;
  text: string;
  end: number;
}

function listItem(source: string, at: number): Item | null {
  const end = lineEnd(source, at);
  const found = LIST_ITEM.exec(source.slice(at, end));
  if (!found) return null;
  const [, indent = '', marker = '', text = ''] = found;
  const number = /\d/.test(marker) ? Number.parseInt(marker, 10) : null;
  return { level: Math.min(indent.length >> 1, DEEPEST), number, text, end };
}

/** Items `from` to `to` as lists; items that are indented further belong to the one before. */
function lists(items: Item[], from: number, to: number, depth: number): List[] {
  const made: List[] = [];
  let at = from;
  while (at < to) {
    const item = items[at];
    if (!item) break;
    let next = at + 1;
    while (next < to && (items[next]?.level ?? 0) > item.level) next += 1;
    const last = made.at(-1);
    const list =
      last && (last.start === null) === (item.number === null)
        ? last
        : { start: item.number, items: [] };
    if (list !== last) made.push(list);
    const inner = depth < DEEPEST ? lists(items, at + 1, next, depth + 1) : [];
    list.items.push({ children: inline(item.text, 0, false), inner });
    at = next;
  }
  return made;
}

/** Marks in pairs, longest first. */
const PAIRS: [string, 'strong' | 'em' | 'underline' | 'strike' | 'spoiler'][] = [
  ['**', 'strong'],
  ['__', 'underline'],
  ['~~', 'strike'],
  ['||', 'spoiler'],
  ['*', 'em'],
  ['_', 'em']
];

function inline(source: string, depth: number, linked: boolean): Inline[] {
  const found: Inline[] = [];
  /** Marks that are not closed any more from here on: they need not be looked for again. */
  const unclosed = new Set<string>();
  let text = '';
  let at = 0;

  const push = (node: Inline, end: number) => {
    if (text) found.push({ kind: 'text', text });
    text = '';
    found.push(node);
    at = end;
  };

  scan: while (at < source.length) {
    const char = source[at] ?? '';
    if (char === '\\' && /[!-/:-@[-`{-~]/.test(source[at + 1] ?? '')) {
      text += source[at + 1];
      at += 2;
      continue;
    }
    if (char === '`' && !unclosed.has('`')) {
      const run = runLength(source, at);
      const close = codeEnd(source, at + run, run);
      if (close >= 0) {
        const code = source.slice(at + run, close).replace(/^ (?=.*`)|(?<=`.*) $/g, '');
        push({ kind: 'code', text: code }, close + run);
      } else {
        text += '`'.repeat(run);
        at += run;
      }
      continue;
    }
    for (const [mark, kind] of depth < DEEPEST ? PAIRS : []) {
      if (char !== mark[0] || unclosed.has(mark) || !source.startsWith(mark, at)) continue;
      if (!opens(source, at, mark)) continue;
      const close = closing(source, at + mark.length, mark);
      if (close < 0) {
        unclosed.add(mark);
        continue;
      }
      const children = inline(source.slice(at + mark.length, close), depth + 1, linked);
      push({ kind, children }, close + mark.length);
      continue scan;
    }
    const special = specials(source, at, depth, linked);
    if (special) {
      push(special.node, special.end);
      continue;
    }
    text += char;
    at += 1;
  }
  if (text) found.push({ kind: 'text', text });
  return found;
}

function runLength(source: string, at: number): number {
  let end = at;
  while (source[end] === '`') end += 1;
  return end - at;
}

/** Where a run of exactly `run` backticks begins; -1 when there is none, or nothing before it. */
function codeEnd(source: string, from: number, run: number): number {
  for (let at = source.indexOf('`', from); at >= 0; ) {
    const length = runLength(source, at);
    if (length === run && at > from) return at;
    at = source.indexOf('`', at + length);
  }
  return -1;
}

const isWord = (char: string | undefined) => char !== undefined && /[\p{L}\p{N}_]/u.test(char);
const isSpace = (char: string | undefined) => char === undefined || /\s/.test(char);

function opens(source: string, at: number, mark: string): boolean {
  // A double mark that is no pair is not a single one either.
  if (mark.length === 1 && source[at + 1] === mark) return false;
  if (mark === '_') return !isWord(source[at - 1]);
  return mark !== '*' || !isSpace(source[at + 1]);
}

/** Where the pair ends that was opened before `from`; -1 when it does not. */
function closing(source: string, from: number, mark: string): number {
  const single = mark.length === 1;
  for (let at = from; at < source.length; ) {
    const char = source[at];
    if (char === '\\') {
      at += 2;
    } else if (char === '`') {
      const run = runLength(source, at);
      const end = codeEnd(source, at + run, run);
      at = end < 0 ? at + run : end + run;
    } else if (!source.startsWith(mark, at)) {
      at += 1;
    } else if (single && source[at + 1] === mark) {
      // A double mark belongs to another pair, unless a third closes this one first.
      at += 2;
    } else {
      let close = at;
      // Of `***` the last two close.
      while (!single && source[close + mark.length] === mark[0]) close += 1;
      const fits =
        close > from &&
        (mark !== '*' || !isSpace(source[close - 1])) &&
        (mark !== '_' || !isWord(source[close + 1]));
      if (fits) return close;
      at = close + mark.length;
    }
  }
  return -1;
}

interface Special {
  node: Inline;
  end: number;
}

const USER = /<@!?(\d{1,20})>/y;
const ROLE = /<@&(\d{1,20})>/y;
const CHANNEL = /<#(\d{1,20})>/y;
const COMMAND = /<(\/[^:<>\n]{1,100}):\d{1,20}>/y;
const PLACE = /<id:(customize|browse|guide|home)>/y;
const EMOJI = /<(a?):(\w{1,64}):(\d{1,20})>/y;
const TIME = /<t:(-?\d{1,13})(?::([tTdDfFR]))?>/y;
const BARE_URL = /<(https?:\/\/[^\s<>]{1,2000})>/y;
const URL_TEXT = /https?:\/\/[^\s<>[\]]{1,2000}/y;
const EVERYONE = /@(everyone|here)(?!\w)/y;
const SHORTCODE = /:([a-z0-9_+-]{1,40}):/y;

function specials(source: string, at: number, depth: number, linked: boolean): Special | null {
  const match = (pattern: RegExp) => {
    pattern.lastIndex = at;
    return pattern.exec(source);
  };
  const whole = (node: Inline, found: RegExpExecArray) => ({ node, end: at + found[0].length });
  let found: RegExpExecArray | null;
  switch (source[at]) {
    case '<':
      if ((found = match(USER))) return whole({ kind: 'user', id: found[1] ?? '' }, found);
      if ((found = match(ROLE))) return whole({ kind: 'role', id: found[1] ?? '' }, found);
      if ((found = match(CHANNEL))) return whole({ kind: 'channel', id: found[1] ?? '' }, found);
      if ((found = match(COMMAND))) return whole({ kind: 'mention', text: found[1] ?? '' }, found);
      if ((found = match(PLACE))) return whole({ kind: 'mention', text: `#${found[1]}` }, found);
      if ((found = match(EMOJI))) {
        const [, animated, name = '', id = ''] = found;
        return whole({ kind: 'emoji', id, name, animated: animated === 'a' }, found);
      }
      if ((found = match(TIME))) {
        const seconds = Number(found[1]);
        const known = Math.abs(seconds) <= 8_640_000_000_000;
        return known ? whole({ kind: 'time', seconds, style: found[2] ?? 'f' }, found) : null;
      }
      if (!linked && (found = match(BARE_URL))) return link(found[1] ?? '', at + found[0].length);
      return null;
    case '@':
      return (found = match(EVERYONE)) ? whole({ kind: 'mention', text: found[0] }, found) : null;
    case ':': {
      const emoji = (found = match(SHORTCODE)) && SHORTCODES[found[1] ?? ''];
      return found && emoji ? whole({ kind: 'text', text: emoji }, found) : null;
    }
    case 'h': {
      if (linked || isWord(source[at - 1]) || !(found = match(URL_TEXT))) return null;
      const url = withoutTail(found[0]);
      return link(url, at + url.length);
    }
    case '[':
      return linked ? null : masked(source, at, depth);
    default:
      return null;
  }
}

/** The address without punctuation of the sentence around it. */
function withoutTail(url: string): string {
  let end = url.length;
  let open = 0;
  for (const char of url) open += char === '(' ? 1 : char === ')' ? -1 : 0;
  for (; end > 0; end -= 1) {
    const last = url[end - 1] ?? '';
    if (last === ')' && open < 0) open += 1;
    else if (!'.,:;!?"\'*_~|]'.includes(last)) break;
  }
  return url.slice(0, end);
}

function link(url: string, end: number, children?: Inline[]): Special | null {
  const href = address(url);
  if (!href) return null;
  return { node: { kind: 'link', href, children: children ?? [{ kind: 'text', text: url }] }, end };
}

/** The address when it is one of the web, else `null`. */
export function address(url: string | undefined | null): string | null {
  if (!url || !URL.canParse(url)) return null;
  const parsed = new URL(url);
  return parsed.protocol === 'https:' || parsed.protocol === 'http:' ? parsed.href : null;
}

const TARGET = /\]\(<?(https?:\/\/[^\s<>]{1,2000}?)>?(?: +"[^"\n]{0,200}")?\)/y;

/** `[label](address "title")`. A label that looks like an address itself is no link. */
function masked(source: string, at: number, depth: number): Special | null {
  const limit = Math.min(source.length, at + LONGEST_LABEL);
  let open = 0;
  for (let close = at + 1; close < limit; close += 1) {
    const char = source[close];
    if (char === '\n') return null;
    if (char === '\\') close += 1;
    else if (char === '[') open += 1;
    else if (char === ']' && open > 0) open -= 1;
    else if (char === ']') {
      TARGET.lastIndex = close;
      const found = TARGET.exec(source);
      const label = source.slice(at + 1, close);
      if (!found?.[1] || !label.trim() || label.includes('://') || depth >= DEEPEST) return null;
      return link(found[1], close + found[0].length, inline(label, depth + 1, true));
    }
  }
  return null;
}

/** The text alone, for previews. */
export function plain(nodes: Inline[]): string {
  return nodes
    .map((node) => {
      switch (node.kind) {
        case 'text':
        case 'code':
        case 'mention':
          return node.text;
        case 'spoiler':
          return '▒▒▒';
        case 'emoji':
          return `:${node.name}:`;
        case 'user':
        case 'role':
          return '@…';
        case 'channel':
          return '#…';
        case 'time':
          return new Date(node.seconds * 1000).toISOString().slice(0, 10);
        default:
          return plain(node.children);
      }
    })
    .join('');
}
