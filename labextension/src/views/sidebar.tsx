/** The sidebar: what it is about, the box to ask in, the answers. */

import * as React from 'react';
import { ReactWidget } from '@jupyterlab/ui-components';
import type { TranslationBundle } from '@jupyterlab/translation';

import { unfit } from '../fitness';
import { commandWords, suggestions } from '../slash';
import type { ISubject } from '../notebooks';
import type { SidebarModel } from '../model';
import type { IStatus, Mode, TaskKind } from '../wire';
import { AnswerView, kindLabel } from './answer';
import type { Highlight } from './code';
import { HighlightContext } from './code';
import { Guide } from './guide';

interface IProps {
  model: SidebarModel;
  trans: TranslationBundle;
}

export class Sidebar extends ReactWidget {
  constructor(
    private readonly model: SidebarModel,
    private readonly trans: TranslationBundle,
    private readonly highlight: Highlight | null,
    private readonly openSettings: () => void
  ) {
    super();
    this.addClass('nbc-Sidebar');
    model.focus.connect(() => this.focus());
  }

  protected override render(): JSX.Element {
    return (
      <HighlightContext.Provider value={this.highlight}>
        <View model={this.model} trans={this.trans} openSettings={this.openSettings} />
      </HighlightContext.Provider>
    );
  }

  protected override onAfterShow(): void {
    void this.model.refresh();
  }

  /** Put the cursor into the instruction box. */
  focus(): void {
    this.node.querySelector('textarea')?.focus();
  }
}

function View(props: IProps & { openSettings: () => void }): JSX.Element {
  const { model, trans, openSettings } = props;
  useChanges(model);
  const subject = model.host.subject();
  return (
    <div className="nbc-View">
      <About model={model} status={model.status} subject={subject} trans={trans} />
      {model.trouble && (
        <p className="nbc-Problem" role="alert">
          {model.trouble.message}
          {model.trouble.hint && <span className="nbc-block nbc-quiet">{model.trouble.hint}</span>}
          <button className="nbc-Link" onClick={() => void model.refresh()}>
            {trans.__('Try again')}
          </button>
        </p>
      )}
      {model.status?.problem && (
        <p className="nbc-Problem" role="alert">
          {model.status.problem.message}
          <span className="nbc-block nbc-quiet">{model.status.problem.hint}</span>
        </p>
      )}
      {model.status?.untrusted && <p className="nbc-quiet">{model.status.untrusted.message}</p>}
      <Locks status={model.status} trans={trans} />
      <Guide {...props} />
      <Turns {...props} />
      <Composer {...props} subject={subject} />
      <footer className="nbc-Footer">
        <button className="nbc-Link" onClick={openSettings}>
          {trans.__('Settings')}
        </button>
        <span className="nbc-quiet">nbcopilot {model.status?.version ?? ''}</span>
      </footer>
    </div>
  );
}

/** The conversation, oldest first; the latest turn is brought into view when it begins and when its answer is there. */
function Turns({ model, trans }: IProps): JSX.Element {
  const list = React.useRef<HTMLDivElement>(null);
  const turns = [...model.shown].reverse();
  const latest = turns[turns.length - 1]?.key;
  React.useEffect(() => {
    list.current?.lastElementChild?.scrollIntoView({ block: 'nearest' });
  }, [latest, model.running]);
  return (
    <div className="nbc-Turns">
      <div className="nbc-Answers" ref={list} role="feed" aria-label={trans.__('Conversation')} aria-busy={model.running}>
        {turns.map(answer => (
          <AnswerView key={answer.key} answer={answer} model={model} trans={trans} />
        ))}
      </div>
      {!turns.length && <Hints trans={trans} />}
      {model.conversationNotice && (
        <p className="nbc-Notice nbc-mod-warning" role="status">
          {model.conversationNotice}
        </p>
      )}
    </div>
  );
}

/** How much of what may be sent the latest request took. */
function Gauge({ model, trans }: IProps): JSX.Element | null {
  const context = model.shown.find(answer => answer.context)?.context;
  if (!context?.budget) {
    return null;
  }
  const words = trans.__('sent %1 of %2 tokens', context.tokens, context.budget);
  return (
    <span className="nbc-quiet nbc-Gauge" title={trans.__('What the latest request told the model, of what it may be told')}>
      {words} <meter min={0} max={context.budget} value={context.tokens} aria-label={words} />
    </span>
  );
}

/** Draws again after a change; for tokens at most once a frame, they come faster than that. */
function useChanges(model: SidebarModel): void {
  const [, draw] = React.useReducer((count: number) => count + 1, 0);
  React.useEffect(() => {
    let frame = 0;
    const onChange = (_: unknown, lazy: boolean): void => {
      if (!lazy) {
        return draw();
      }
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        draw();
      });
    };
    model.changed.connect(onChange);
    return () => {
      model.changed.disconnect(onChange);
      cancelAnimationFrame(frame);
    };
  }, [model]);
}

function About(props: IProps & { status: IStatus | null; subject: ISubject | null }): JSX.Element {
  const { model, status, subject, trans } = props;
  return (
    <section className="nbc-About" aria-label={trans.__('Current notebook')}>
      <div className="nbc-About-line">
        <b className="nbc-ellipsis" title={subject?.path}>
          {subject?.name ?? trans.__('No notebook is open')}
        </b>
        {subject && <span className="nbc-About-cell">{aboutWords(subject, trans)}</span>}
      </div>
      <div className="nbc-chips">
        {subject && (
          <span className="nbc-Chip nbc-mod-plain" title={subject.kernel}>
            <span className={`nbc-Dot nbc-mod-${subject.kernelStatus}`} aria-hidden="true" />
            {kernelWords(subject.kernelStatus, trans)}
          </span>
        )}
        {status?.model.id && (
          <span className="nbc-Chip nbc-mod-plain" title={engineWords(status, trans)}>
            {status.model.id}
          </span>
        )}
        {status && (
          <span
            className={`nbc-Chip nbc-mod-${status.local ? 'good' : 'warn'}`}
            title={
              status.local
                ? trans.__('Nothing of your notebook leaves this machine')
                : trans.__('Text of your notebook goes to %1; secrets are redacted first', status.engine.where)
            }
          >
            {status.local ? trans.__('offline') : trans.__('sends to %1', status.engine.where)}
          </span>
        )}
        {model.shown.length > 0 && (
          <button className="nbc-Link" onClick={() => void model.clear()}>
            {trans.__('Clear conversation')}
          </button>
        )}
        {subject?.readOnly && <span className="nbc-Chip nbc-mod-warn">{trans.__('read-only')}</span>}
      </div>
    </section>
  );
}

/** What an administrator has locked, and where: nothing here or in a file changes it. */
function Locks({ status, trans }: { status: IStatus | null; trans: TranslationBundle }): JSX.Element | null {
  const locked = status?.locked ?? [];
  if (!locked.length) {
    return null;
  }
  return (
    <details className="nbc-Locks nbc-quiet">
      <summary>{trans._n('%1 setting is locked', '%1 settings are locked', locked.length)}</summary>
      <ul>
        {locked.map(({ name, value, by }) => (
          <li key={name}>
            <code>{name}</code> = {String(value)} · {by}
          </li>
        ))}
      </ul>
    </details>
  );
}

function aboutWords(subject: ISubject, trans: TranslationBundle): string {
  if (!subject.cellId) {
    return trans.__('empty');
  }
  const cell = subject.executed === null ? `#${subject.number}` : `[${subject.executed}]`;
  return subject.selectedLines
    ? trans._n('cell %2, %1 line selected', 'cell %2, %1 lines selected', subject.selectedLines, cell)
    : trans.__('cell %1', cell);
}

function kernelWords(status: string, trans: TranslationBundle): string {
  switch (status) {
    case 'idle':
      return trans.__('kernel idle');
    case 'busy':
      return trans.__('kernel busy');
    case 'none':
      return trans.__('no kernel');
    case 'dead':
      return trans.__('kernel dead');
    default:
      return trans.__('kernel %1', status);
  }
}

function engineWords(status: IStatus, trans: TranslationBundle): string {
  const pace = status.tokens_per_second ? trans.__(', %1 tokens/s', status.tokens_per_second) : '';
  return trans.__('engine %1: %2', status.engine.kind, status.engine.state) + pace;
}

const ACTIONS: TaskKind[] = ['explain', 'testgen', 'fix', 'document'];

function Composer({ model, trans, subject }: IProps & { subject: ISubject | null }): JSX.Element {
  const [place, setPlace] = React.useState<number | null>(null);
  const ready = subject !== null && model.status?.model.ready === true;
  const unwanted = unfit('generate', subject, trans, model.status);
  const onKey = (event: React.KeyboardEvent<HTMLTextAreaElement>): void => {
    const box = event.currentTarget;
    if (event.key === 'Enter' && !event.shiftKey && !event.nativeEvent.isComposing) {
      event.preventDefault();
      if (ready && unwanted === null && model.draft.trim()) {
        setPlace(null);
        void model.send();
      }
      return;
    }
    const [first] = suggestions(model.draft);
    if (event.key === 'Tab' && !event.shiftKey && first && model.draft !== `/${first.name}`) {
      event.preventDefault();
      model.setDraft(`/${first.name} `);
      return;
    }
    if (event.key === 'Escape') {
      model.host.focus();
      return;
    }
    const up = event.key === 'ArrowUp' && box.selectionStart === 0;
    const down = event.key === 'ArrowDown' && box.selectionEnd === box.value.length;
    if ((up || down) && model.history.length) {
      const at = (place ?? model.history.length) + (up ? -1 : 1);
      if (at >= 0) {
        event.preventDefault();
        setPlace(at < model.history.length ? at : null);
        model.setDraft(model.history[at] ?? '');
      }
    }
  };
  return (
    <section className="nbc-Composer" aria-label={trans.__('Ask')}>
      <textarea
        className="jp-mod-styled"
        rows={3}
        value={model.draft}
        placeholder={trans.__('What should the next cell do, or what else? Enter sends, ↑ brings earlier requests')}
        aria-label={trans.__('Instruction')}
        onChange={event => model.setDraft(event.currentTarget.value)}
        onKeyDown={onKey}
      />
      <Commands model={model} trans={trans} />
      <div className="nbc-row">
        <button
          className="jp-mod-styled jp-mod-accept"
          disabled={!ready || unwanted !== null || !model.draft.trim()}
          title={unwanted ?? ''}
          onClick={() => void model.send()}
        >
          {trans.__('Generate')}
        </button>
        <select
          className="jp-mod-styled nbc-Composer-mode"
          value={model.mode}
          aria-label={trans.__('Kind of answer')}
          onChange={event => model.setMode(event.currentTarget.value as Mode)}
        >
          <option value="auto">{trans.__('Auto')}</option>
          <option value="code">{trans.__('Code')}</option>
          <option value="words">{trans.__('Words')}</option>
        </select>
        <label className="nbc-quiet nbc-Composer-count">
          {trans.__('Answers')}
          <select
            className="jp-mod-styled"
            value={model.options.candidates}
            onChange={event => model.setCandidates(Number(event.currentTarget.value))}
          >
            {[1, 2, 3, 4].map(count => (
              <option key={count}>{count}</option>
            ))}
          </select>
        </label>
      </div>
      <div className="nbc-Composer-actions" role="group" aria-label={trans.__('Actions on the selected cell')}>
        {ACTIONS.map(kind => (
          <button
            key={kind}
            className="jp-mod-styled nbc-small"
            disabled={!ready || unfit(kind, subject, trans, model.status) !== null}
            title={unfit(kind, subject, trans, model.status) ?? ''}
            onClick={() => void model.ask(kind)}
          >
            {kindLabel(kind, trans)}
          </button>
        ))}
      </div>
      <Gauge model={model} trans={trans} />
    </section>
  );
}

/** The commands that the text in the box may become: Tab takes the first, a click any. */
function Commands({ model, trans }: IProps): JSX.Element | null {
  const found = suggestions(model.draft);
  return found.length ? (
    <ul className="nbc-Commands" aria-label={trans.__('Commands')}>
      {found.map(command => (
        <li key={command.name}>
          <button className="nbc-Link" onClick={() => model.write(`/${command.name} `)}>
            /{command.name}
          </button>{' '}
          <span className="nbc-quiet">{commandWords(command, trans)}</span>
        </li>
      ))}
    </ul>
  ) : null;
}

function Hints({ trans }: { trans: TranslationBundle }): JSX.Element {
  return (
    <ul className="nbc-Hints nbc-quiet">
      <li>{trans.__('Generate writes a new cell below the selected one.')}</li>
      <li>{trans.__('Explain, Test and Fix are about the selected cell, or the text selected in it.')}</li>
      <li>{trans.__('Nothing is written before you accept it, and one undo takes it back.')}</li>
      <li>{trans.__('A slash shows the commands: /fix, /explain, /ask …')}</li>
    </ul>
  );
}
