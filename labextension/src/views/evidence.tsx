/** Why an answer may be believed: what was checked, and what was sent. */

import * as React from 'react';
import type { TranslationBundle } from '@jupyterlab/translation';

import type { IAnswer, ICandidate } from '../answer';
import { chips, evidenceWords } from './format';

/** A chip for each check, the findings that are problems, and the rest on request. */
export function Checks({ candidate, trans }: { candidate: ICandidate; trans: TranslationBundle }): JSX.Element | null {
  const [shown, show] = React.useState(false);
  const found = chips(candidate, trans);
  const findings = candidate.check?.findings ?? [];
  if (!found.length && !findings.length) {
    return null;
  }
  const problems = findings.filter(finding => finding.severity !== 'info');
  const listed = shown ? findings : problems;
  const more = findings.length > problems.length;
  return (
    <div className="nbc-Checks">
      <div className="nbc-chips">
        {found.map((chip, i) => (
          <span key={i} className={`nbc-Chip nbc-mod-${chip.state}`}>
            {chip.text}
          </span>
        ))}
        {(more || candidate.check?.level) && (
          <button className="nbc-Link" aria-expanded={shown} onClick={() => show(!shown)}>
            {shown ? trans.__('less') : trans.__('details')}
          </button>
        )}
      </div>
      {shown && <Evidence candidate={candidate} trans={trans} />}
      {listed.length > 0 && (
        <ul className="nbc-Findings">
          {listed.map((finding, i) => (
            <li key={i} className={`nbc-mod-${finding.severity}`}>
              {finding.line !== null && <b>{trans.__('line %1: ', finding.line)}</b>}
              <code>{finding.code}</code> {finding.message}
              {finding.hint && <span className="nbc-quiet"> — {finding.hint}</span>}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

function Evidence({ candidate, trans }: { candidate: ICandidate; trans: TranslationBundle }): JSX.Element {
  const { level, evidence } = candidate.check!;
  return <p className="nbc-quiet">{evidenceWords(level, evidence, trans).join(' · ')}</p>;
}

/** What the model got to read, why, and how much of it. */
export function Sent({ answer, trans }: { answer: IAnswer; trans: TranslationBundle }): JSX.Element | null {
  const context = answer.context;
  if (!context) {
    return null;
  }
  return (
    <details className="nbc-Details">
      <summary>
        {trans.__('What was sent')} <span className="nbc-quiet">{trans.__('%1 tokens', context.tokens)}</span>
      </summary>
      <table className="nbc-Sent">
        <thead>
          <tr>
            <th scope="col">{trans.__('What')}</th>
            <th scope="col">{trans.__('Why')}</th>
            <th scope="col" className="nbc-number">
              {trans.__('Tokens')}
            </th>
          </tr>
        </thead>
        <tbody>
          {context.snippets.map((snippet, i) => (
            <tr key={i} title={snippet.text}>
              <td>{snippet.source}</td>
              <td>{snippet.reason}</td>
              <td className="nbc-number">{snippet.tokens}</td>
            </tr>
          ))}
          {context.dropped.map((snippet, i) => (
            <tr key={`dropped-${i}`} className="nbc-mod-dropped" title={snippet.text}>
              <td>{snippet.source}</td>
              <td>{trans.__('left out: no room')}</td>
              <td className="nbc-number">{snippet.tokens}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {context.redacted > 0 && <p className="nbc-quiet">{trans.__('%1 secrets were replaced first', context.redacted)}</p>}
    </details>
  );
}
