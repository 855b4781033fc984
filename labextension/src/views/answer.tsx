/** One answer: what was asked, what is going on, the cells it offers, what was checked, what was sent. */

import * as React from 'react';
import type { TranslationBundle } from '@jupyterlab/translation';

import type { IAnswer, ICandidate } from '../answer';
import { alternatives, isRunning, offered, openCells } from '../answer';
import type { SidebarModel } from '../model';
import { isInPlace, replacement, subjectOf } from '../proposedEdits';
import type { TaskKind } from '../wire';
import { Code, Diff } from './code';
import { Checks, Sent } from './evidence';
import { partWords, phaseWords, usageWords } from './format';
import { isWords } from '../turns';
import { Markdown } from './markdown';
import { PreviewView, Shown } from './preview';

interface IProps {
  answer: IAnswer;
  model: SidebarModel;
  trans: TranslationBundle;
}

export function kindLabel(kind: TaskKind, trans: TranslationBundle): string {
  return {
    generate: trans.__('Generate'),
    explain: trans.__('Explain'),
    testgen: trans.__('Test'),
    fix: trans.__('Fix'),
    document: trans.__('Document notebook')
  }[kind];
}

export function AnswerView(props: IProps): JSX.Element {
  const { answer, model, trans } = props;
  const running = isRunning(answer);
  const several = alternatives(answer).length > 1;
  const attempts = Math.max(0, ...answer.candidates.map(candidate => candidate.attempt));
  const unasked = offered(answer).some(candidate => candidate.check?.evidence.mended !== undefined) && answer.usage?.completion_tokens === 0;
  const name = kindLabel(answer.task.kind, trans);
  return (
    <article className="nbc-Answer" data-key={answer.key} aria-label={`${name} ${answer.title}`} aria-busy={running}>
      <header className="nbc-Answer-head">
        <span className="nbc-Answer-kind">{name}</span>
        <span className="nbc-Answer-title" title={answer.title}>
          {answer.title || aboutWords(props)}
        </span>
        {running ? (
          <button className="jp-mod-styled nbc-small" onClick={() => model.stop(answer.key)}>
            {trans.__('Stop')}
          </button>
        ) : (
          <Tools {...props} />
        )}
      </header>
      {running && <PhaseLine {...props} />}
      {several && <Alternatives {...props} />}
      {answer.intent === 'undo' && !running && <TakeBack {...props} />}
      {offered(answer).map(candidate => (
        <CandidateView key={`${candidate.attempt}:${candidate.index}`} {...props} candidate={candidate} />
      ))}
      {answer.failure && (
        <p className="nbc-Problem" role="alert">
          {answer.failure.message}
          {answer.failure.hint && <span className="nbc-block nbc-quiet">{answer.failure.hint}</span>}
        </p>
      )}
      {answer.phase === 'stopped' && (
        <p className="nbc-quiet">
          {answer.candidates.length ? trans.__('Stopped. What had come so far is kept.') : trans.__('Stopped before the first word.')}
        </p>
      )}
      <Decisions {...props} />
      {attempts > 0 && !answer.parts && !running && (
        <p className="nbc-quiet">
          {trans._n('The checks led to %1 repair; the best answer is shown.', 'The checks led to %1 repairs; the best answer is shown.', attempts)}
        </p>
      )}
      {answer.notices.map((notice, i) => (
        <p key={i} className={`nbc-Notice nbc-mod-${notice.severity}`}>
          {notice.message}
          {notice.hint && ` — ${notice.hint}`}
        </p>
      ))}
      {unasked ? <p className="nbc-quiet">{trans.__('No model was asked.')}</p> : <Sent answer={answer} trans={trans} />}
      {answer.usage !== null && answer.usage.completion_tokens > 0 && <p className="nbc-quiet nbc-Answer-usage">{usageWords(answer.usage, trans)}</p>}
    </article>
  );
}

/** What can be done with a turn that has ended. */
function Tools({ answer, model, trans }: IProps): JSX.Element {
  const tool = (label: string, text: string, act: () => void): JSX.Element => (
    <button className="jp-mod-styled jp-mod-minimal nbc-small nbc-Tool" aria-label={label} title={label} onClick={act}>
      {text}
    </button>
  );
  return (
    <span className="nbc-Tools">
      {answer.title && tool(trans.__('Edit this request and send it again'), '✎', () => model.edit(answer.key))}
      {answer.task.kind !== 'document' && tool(trans.__('Ask for another answer'), '↻', () => void model.again(answer.key))}
      {tool(trans.__('Remove this answer'), '×', () => model.dismiss(answer.key))}
    </span>
  );
}

/** What "undo that" was taken for: named, and done with a click. */
function TakeBack({ answer, model, trans }: IProps): JSX.Element {
  const meant = model.answers.find(one => one.id === answer.undoes);
  if (!meant) {
    return <p className="nbc-quiet">{trans.__('Nothing of this conversation is in the notebook.')}</p>;
  }
  return meant.undone ? (
    <p className="nbc-quiet">{trans.__('“%1” was taken out of the notebook.', meant.title)}</p>
  ) : (
    <div className="nbc-row">
      <span>{trans.__('Take “%1” out of the notebook?', meant.title)}</span>
      <button className="jp-mod-styled jp-mod-accept nbc-small" onClick={() => void model.takeBack(answer.undoes)}>
        {trans.__('Take it out')}
      </button>
    </div>
  );
}

function aboutWords({ answer, model, trans }: IProps): string {
  const label = model.host.label(answer.path, answer.task.target.cell_id);
  return label ? trans.__('cell %1', label) : (answer.path.split('/').pop() ?? '');
}

function PhaseLine({ answer, model, trans }: IProps): JSX.Element {
  return (
    <div className="nbc-Phase" role="status">
      <span className="nbc-Phase-bar" aria-hidden="true" />
      {phaseWords(answer, model.status?.engine.state === 'ready', trans)}
    </div>
  );
}

/** The different outcomes side by side, as far as the sidebar is wide enough; one click takes one. */
function Alternatives({ answer, model, trans }: IProps): JSX.Element {
  const choices = alternatives(answer);
  const total = choices.reduce((sum, { count }) => sum + count, 0);
  return (
    <div className="nbc-Alternatives" role="radiogroup" aria-label={trans.__('Outcomes')}>
      {choices.map(({ at, candidate, count }, i) => (
        <div key={at} className={`nbc-Alternative${at === answer.chosen ? ' nbc-mod-chosen' : ''}`}>
          <label className="nbc-row">
            <input type="radio" name={answer.key} checked={at === answer.chosen} onChange={() => model.choose(answer.key, at)} />
            <span>
              {trans.__('Outcome %1', i + 1)}
              {total > choices.length && <span className="nbc-quiet"> {trans.__('%1 of %2 answers', count, total)}</span>}
            </span>
          </label>
          {candidate.check?.preview?.value || candidate.check?.preview?.figures.length ? (
            <Shown preview={candidate.check.preview} trans={trans} />
          ) : (
            <span className="nbc-Alternative-text">{candidate.text ?? candidate.streamed}</span>
          )}
          {candidate.decisions.includes('open') && (
            <button className="jp-mod-styled nbc-small" onClick={() => void model.take(answer.key, at)}>
              {trans.__('Take this')}
            </button>
          )}
        </div>
      ))}
    </div>
  );
}

function CandidateView(props: IProps & { candidate: ICandidate }): JSX.Element {
  const { answer, candidate, trans } = props;
  return (
    <div className="nbc-Candidate">
      {!candidate.edit && isWords(answer, candidate) && candidate.text !== null ? (
        <Markdown text={candidate.text} />
      ) : !candidate.edit ? (
        <pre className="nbc-Code nbc-mod-streaming" tabIndex={0} aria-label={trans.__('Answer so far')}>
          {candidate.text ?? candidate.streamed}
        </pre>
      ) : null}
      {!candidate.edit && !isRunning(answer) && <Fate {...props} />}
      {candidate.edit?.cells.map((_, at) => <CellView key={at} {...props} at={at} />)}
      <Checks candidate={candidate} earlier={answer.truth} trans={trans} />
      {candidate.check?.preview && <PreviewView preview={candidate.check.preview} trans={trans} />}
      {candidate.prose && !answer.parts && (
        <details className="nbc-Details">
          <summary>{trans.__('What the model said around it')}</summary>
          <Markdown text={candidate.prose} />
        </details>
      )}
    </div>
  );
}

/** What became of a turn that was found again. */
function Fate({ answer, candidate, model, trans }: IProps & { candidate: ICandidate }): JSX.Element | null {
  const [id] = candidate.written;
  const [decision] = candidate.decisions;
  if (answer.undone || decision === undefined) {
    return answer.undone ? <span className="nbc-quiet">{trans.__('taken out again')}</span> : null;
  }
  if (decision === 'rejected') {
    return <span className="nbc-quiet">{trans.__('rejected')}</span>;
  }
  return typeof id === 'string' && model.host.label(answer.path, id) ? (
    <button className="nbc-Link" onClick={() => model.host.reveal(answer.path, id)} title={trans.__('Go to the cell')}>
      {trans.__('✓ in the notebook')}
    </button>
  ) : (
    <span className="nbc-quiet">{trans.__('not in the notebook any more')}</span>
  );
}

function CellView(props: IProps & { candidate: ICandidate; at: number }): JSX.Element {
  const { answer, candidate, at, model, trans } = props;
  const cell = candidate.edit!.cells[at];
  const decision = candidate.decisions[at];
  const inPlace = isInPlace(answer);
  const target = inPlace ? subjectOf(answer, candidate) : (candidate.edit!.replaces[at] ?? null);
  const before = target === null ? undefined : answer.sources[target];
  const after = inPlace ? (replacement(answer, candidate, at)?.cells[0].source ?? cell.source) : cell.source;
  const where = describePlace(props, target);
  const written = candidate.written[at];
  return (
    <section className={`nbc-Cell nbc-mod-${decision}`} aria-label={where}>
      <div className="nbc-Cell-head">
        <span className="nbc-quiet">{where}</span>
        {decision === 'open' ? (
          <span className="nbc-Cell-buttons">
            <button
              className="jp-mod-styled jp-mod-accept nbc-small"
              onClick={() => void model.accept(answer.key, candidate, at, inPlace)}
            >
              {inPlace ? trans.__('Apply') : trans.__('Accept')}
            </button>
            {inPlace && (
              <button
                className="jp-mod-styled nbc-small"
                onClick={() => void model.accept(answer.key, candidate, at, false)}
              >
                {trans.__('Insert below')}
              </button>
            )}
            <button
              className="jp-mod-styled jp-mod-reject nbc-small"
              onClick={() => model.reject(answer.key, candidate, at)}
            >
              {trans.__('Reject')}
            </button>
          </span>
        ) : answer.undone ? (
          <span className="nbc-quiet">{trans.__('taken out again')}</span>
        ) : decision === 'accepted' && written !== null ? (
          <button
            className="nbc-Link"
            onClick={() => model.host.reveal(answer.path, written)}
            title={trans.__('Go to the cell')}
          >
            {trans.__('✓ in the notebook')}
          </button>
        ) : (
          <span className="nbc-quiet">{decision === 'accepted' ? trans.__('✓ in the notebook') : trans.__('rejected')}</span>
        )}
      </div>
      {before !== undefined ? (
        <Diff before={before} after={after} trans={trans} />
      ) : cell.kind === 'markdown' ? (
        <Markdown text={cell.source} />
      ) : (
        <Code text={cell.source} language={model.host.subject()?.language ?? 'python'} label={where} />
      )}
    </section>
  );
}

function describePlace(
  { answer, candidate, at, model, trans }: IProps & { candidate: ICandidate; at: number },
  target: string | null
): string {
  const kind = candidate.edit!.cells[at].kind === 'markdown' ? trans.__('Text cell') : trans.__('Code cell');
  if (target !== null) {
    const label = model.host.label(answer.path, target);
    return label ? trans.__('Changes cell %1', label) : trans.__('Changes a cell that is gone');
  }
  if (answer.parts) {
    const about = answer.partCells[candidate.index];
    const place = model.host.label(answer.path, about) || '?';
    return partWords(candidate.edit!.cells[at], place, answer.sources[about] ?? '', trans);
  }
  const label = model.host.label(answer.path, candidate.edit!.after);
  return label ? trans.__('%1 below %2', kind, label) : kind;
}

function Decisions({ answer, model, trans }: IProps): JSX.Element | null {
  const open = openCells(answer);
  const [copied, setCopied] = React.useState(false);
  const text = offered(answer)
    .map(candidate => candidate.text ?? candidate.streamed)
    .join('\n\n');
  if (isRunning(answer) || !text) {
    return null;
  }
  const copy = (): void => {
    void navigator.clipboard?.writeText(text).then(() => setCopied(true));
  };
  return (
    <div className="nbc-row nbc-Decisions">
      {open.length > 1 && (
        <>
          <button className="jp-mod-styled jp-mod-accept nbc-small" onClick={() => void model.acceptAll(answer.key)}>
            {trans.__('Accept all (%1)', open.length)}
          </button>
          <button className="jp-mod-styled jp-mod-reject nbc-small" onClick={() => model.rejectAll(answer.key)}>
            {trans.__('Reject all')}
          </button>
        </>
      )}
      <button className="jp-mod-styled jp-mod-minimal nbc-small" onClick={copy}>
        {copied ? trans.__('Copied') : trans.__('Copy')}
      </button>
    </div>
  );
}
