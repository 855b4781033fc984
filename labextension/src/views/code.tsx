/** Source text: highlighted as JupyterLab does it, or as a diff. Text goes into text nodes only. */

import * as React from 'react';
import type { TranslationBundle } from '@jupyterlab/translation';

import { diffLines } from '../diff';

/** Puts highlighted `code` into `into`; JupyterLab's own CodeMirror highlighter. */
export type Highlight = (code: string, language: string, into: HTMLElement) => Promise<void>;

export const HighlightContext = React.createContext<Highlight | null>(null);

export function Code(props: { text: string; language: string; label: string }): JSX.Element {
  const { text, language, label } = props;
  const highlight = React.useContext(HighlightContext);
  const ref = React.useRef<HTMLElement>(null);
  React.useEffect(() => {
    const element = ref.current;
    if (!element) {
      return;
    }
    const fresh = document.createElement('code');
    if (!highlight) {
      element.textContent = text;
      return;
    }
    let stale = false;
    void highlight(text, language, fresh)
      .catch(() => {
        fresh.textContent = text;
      })
      .then(() => {
        if (!stale) {
          element.replaceChildren(...fresh.childNodes);
        }
      });
    return () => {
      stale = true;
    };
  }, [text, language, highlight]);
  return (
    <pre className="nbc-Code" tabIndex={0} aria-label={label}>
      <code ref={ref}>{text}</code>
    </pre>
  );
}

export function Diff(props: { before: string; after: string; trans: TranslationBundle }): JSX.Element {
  const { before, after, trans } = props;
  const lines = React.useMemo(() => diffLines(before, after), [before, after]);
  const signs = { same: ' ', removed: '−', added: '+' };
  const words = { same: '', removed: trans.__('removed: '), added: trans.__('added: ') };
  return (
    <pre className="nbc-Code nbc-Diff" tabIndex={0} aria-label={trans.__('Changes')}>
      {lines.map((line, i) => (
        <span key={i} className={`nbc-Diff-line nbc-mod-${line.kind}`}>
          <span className="nbc-Diff-sign" aria-hidden="true">
            {signs[line.kind]}
          </span>
          <span className="nbc-srOnly">{words[line.kind]}</span>
          {line.part ? <Parts text={line.text} part={line.part} /> : line.text}
          {'\n'}
        </span>
      ))}
    </pre>
  );
}

/** A line with the part of it that changed. */
function Parts({ text, part: [start, end] }: { text: string; part: [number, number] }): JSX.Element {
  return (
    <>
      {text.slice(0, start)}
      {end > start && <span className="nbc-Diff-part">{text.slice(start, end)}</span>}
      {text.slice(end)}
    </>
  );
}
