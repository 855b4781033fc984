/** Why an answer may be believed: what was checked, and what was sent. */

import * as React from 'react';
import type { TranslationBundle } from '@jupyterlab/translation';

import type { IAnswer, ICandidate } from '../answer';
import { chips, evidenceWords } from './format';
import { truth } from './outcome';

/** The line of truth, the findings that are problems, and the rest on request. */
export function Checks(props: { candidate: ICandidate; earlier: string; trans: TranslationBundle }): JSX.Element | null {
  const { candidate, trans } = props;
  const [shown, show] = React.useState(false);
  const isKnown = Object.keys(candidate.check?.checks ?? {}).length > 0;
  const line = isKnown ? truth(candidate, trans) : props.earlier;
  const findings = candidate.check?.findings ?? [];
  if (!line && !findings.length) {
    return null;
  }
  const listed = shown ? findings : findings.filter(finding => finding.severity !== 'info');
  return (
    <div className="nbc-Checks">
      <p className={`nbc-Truth${candidate.check?.ok === false ? ' nbc-mod-bad' : ''}`}>
        {line}{' '}
        {isKnown && (
          <button className="nbc-Link" aria-expanded={shown} onClick={() => show(!shown)}>
            {shown ? trans.__('less') : trans.__('details')}
          </button>
        )}
      </p>
      {shown && <Details candidate={candidate} trans={trans} />}
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

/** A chip for each check, then what the run has shown besides. */
function Details({ candidate, trans }: { candidate: ICandidate; trans: TranslationBundle }): JSX.Element {
  return (
    <>
      <div className="nbc-chips">
        {chips(candidate, trans).map((chip, i) => (
          <span key={i} className={`nbc-Chip nbc-mod-${chip.state}`}>
            {chip.text}
          </span>
        ))}
      </div>
      {candidate.check?.level && <Evidence candidate={candidate} trans={trans} />}
    </>
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
