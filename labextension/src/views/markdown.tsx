/**
 * Markdown as React elements: headings, lists, fences, bold, italics, code. No HTML is ever made from the text of
 * a model: a tag in it is shown as the characters that it is.
 */

import * as React from 'react';

export function Markdown({ text }: { text: string }): JSX.Element {
  return <div className="nbc-Markdown">{blocks(text).map(renderBlock)}</div>;
}

type Block =
  | { kind: 'heading' | 'paragraph'; text: string; level: number }
  | { kind: 'code'; text: string }
  | { kind: 'list'; items: string[]; ordered: boolean };

const ITEM = /^\s*(?:[-*+]|(\d+)[.)])\s+(.*)$/;

/** The blocks of a markdown text; a fence that is not closed runs to the end. */
export function blocks(text: string): Block[] {
  const found: Block[] = [];
  const lines = text.split('\n');
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i];
    const fence = /^\s*(`{3,}|~{3,})/.exec(line);
    const heading = /^(#{1,6})\s+(.*)$/.exec(line);
    const item = ITEM.exec(line);
    const last = found[found.length - 1];
    if (fence) {
      const end = lines.findIndex((other, at) => at > i && other.trim().startsWith(fence[1]));
      const to = end < 0 ? lines.length : end;
      found.push({ kind: 'code', text: lines.slice(i + 1, to).join('\n') });
      i = to;
    } else if (heading) {
      found.push({ kind: 'heading', text: heading[2], level: heading[1].length });
    } else if (item) {
      const ordered = item[1] !== undefined;
      if (last?.kind === 'list' && last.ordered === ordered && lines[i - 1].trim()) {
        last.items.push(item[2]);
      } else {
        found.push({ kind: 'list', items: [item[2]], ordered });
      }
    } else if (line.trim()) {
      const goesOn = i > 0 && lines[i - 1].trim() !== '';
      if (goesOn && last?.kind === 'paragraph') {
        last.text += ` ${line.trim()}`;
      } else if (goesOn && last?.kind === 'list') {
        last.items[last.items.length - 1] += ` ${line.trim()}`;
      } else {
        found.push({ kind: 'paragraph', text: line.trim(), level: 0 });
      }
    }
  }
  return found;
}

function renderBlock(block: Block, key: number): JSX.Element {
  switch (block.kind) {
    case 'heading':
      return (
        <p key={key} className="nbc-Markdown-heading" role="heading" aria-level={Math.min(block.level + 3, 6)}>
          {inline(block.text)}
        </p>
      );
    case 'paragraph': {
      const small = /^<sub>(.*)<\/sub>$/.exec(block.text); // our own label; its text is text all the same
      return small ? (
        <p key={key} className="nbc-quiet">
          {plain(small[1])}
        </p>
      ) : (
        <p key={key}>{inline(block.text)}</p>
      );
    }
    case 'code':
      return (
        <pre key={key} tabIndex={0}>
          {block.text}
        </pre>
      );
    case 'list': {
      const items = block.items.map((item, i) => <li key={i}>{inline(item)}</li>);
      return block.ordered ? <ol key={key}>{items}</ol> : <ul key={key}>{items}</ul>;
    }
  }
}

const INLINE = /(`+)(.+?)\1|\*\*(.+?)\*\*|__(.+?)__|\*(\S(?:.*?\S)?)\*/g;

function inline(text: string): React.ReactNode[] {
  const found: React.ReactNode[] = [];
  let from = 0;
  for (const match of text.matchAll(INLINE)) {
    found.push(plain(text.slice(from, match.index)));
    from = match.index + match[0].length;
    const key = match.index;
    const strong = match[3] ?? match[4];
    if (match[2] !== undefined) {
      found.push(<code key={key}>{match[2]}</code>);
    } else if (strong !== undefined) {
      found.push(<strong key={key}>{plain(strong)}</strong>);
    } else {
      found.push(<em key={key}>{plain(match[5])}</em>);
    }
  }
  return [...found, plain(text.slice(from))];
}

const ENTITIES: Record<string, string> = { lt: '<', gt: '>', amp: '&', quot: '"', '#39': "'", '#x27': "'", nbsp: '\u00a0' };

/** Text as a reader of the rendered cell sees it: `&lt;` is one character (in code it is four). */
export function plain(text: string): string {
  return text.replace(/&(#?\w+);/g, (whole, name: string) => ENTITIES[name] ?? whole).replace(/\\([<>&*_`#])/g, '$1');
}
