/** A guide as the build reads it from `docs/`; nothing of it is ever markup in the page. */
export interface Guide {
  name: string;
  title: string;
  blocks: Block[];
  /** Its sections, for the page's own table of contents. */
  sections: { id: string; title: string }[];
}

export type Block =
  | { kind: 'heading'; level: number; id: string; children: Inline[] }
  | { kind: 'paragraph'; children: Inline[] }
  | { kind: 'code'; text: string }
  | { kind: 'list'; start: number | null; items: Block[][] }
  | { kind: 'quote'; children: Block[] }
  | { kind: 'table'; head: Inline[][]; rows: Inline[][][] };

export type Inline =
  | { kind: 'text'; text: string }
  | { kind: 'code'; text: string }
  | { kind: 'strong' | 'em'; children: Inline[] }
  | { kind: 'link'; href: string; children: Inline[] };

/** What is read when somebody reads aloud. */
export function plain(children: Inline[]): string {
  return children.map((child) => ('children' in child ? plain(child.children) : child.text)).join('');
}
