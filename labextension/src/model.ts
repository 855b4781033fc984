/** The state of the sidebar and what its buttons do. Knows neither the view nor JupyterLab's widgets. */

import type { TranslationBundle } from '@jupyterlab/translation';
import { Signal } from '@lumino/signaling';

import * as answers from './answer';
import type { IAnswer, ICandidate } from './answer';
import type { Client } from './client';
import { asFailure } from './client';
import { Conversations } from './conversation';
import type { IHost } from './notebooks';
import { unfit } from './fitness';
import { isInPlace, narrow, replacement } from './proposedEdits';
import { COMMANDS, parse } from './slash';
import type { IPull } from './download';
import { Puller } from './download';
import type { IApplied, IFailure, IModel, IRefused, IStatus, ITask, Mode, TaskKind } from './wire';
import { SCHEMA } from './wire';
import type { Ask } from './writer';
import { Writer } from './writer';

export interface IOptions {
  candidates: number;
  /** Write the best answer without asking. */
  insertAtOnce: boolean;
}

const KEPT_ANSWERS = 200;
const KEPT_INSTRUCTIONS = 50;
const LOOK_AGAIN_MS = 2000;

export class SidebarModel {
  /** True: a token came, drawing may wait for the next frame. False: draw now, the user did something. */
  readonly changed = new Signal<this, boolean>(this);

  /** The box to write in wants the keyboard. */
  readonly focus = new Signal<this, void>(this);

  /** Latest first. */
  answers: IAnswer[] = [];
  status: IStatus | null = null;
  /** Why there is no status: no server extension, logged out, server gone. */
  trouble: IFailure | null = null;
  models: IModel[] = [];
  /** Instructions of earlier requests, latest last. */
  history: string[] = [];
  draft = '';
  /** What kind of answer the next turn gets. */
  mode: Mode = 'auto';
  options: IOptions = { candidates: 1, insertAtOnce: false };

  /** The notebook that was open when the host changed last. */
  private lastPath = '';
  private readonly aborts = new Map<string, AbortController>();
  private readonly writer: Writer;
  private readonly puller: Puller;
  /** Folders that the user was asked about in this page: each once, whatever the answer. */
  private readonly askedAbout = new Set<string>();

  constructor(
    readonly host: IHost,
    private readonly client: Client,
    private readonly askUser: Ask,
    private readonly trans: Pick<TranslationBundle, '__'>,
    private readonly save: (history: string[]) => void = () => undefined,
    describe: (candidate: ICandidate) => string = () => ''
  ) {
    this.writer = new Writer(host, askUser, trans);
    this.puller = new Puller(client, () => this.changed.emit(false));
    this.conversations = new Conversations(client, describe);
    this.lastPath = this.path;
    host.changed.connect(() => {
      this.lastPath = this.path;
      void this.recall();
      this.changed.emit(true);
    });
  }

  /** The answers about the notebook that is open, or was open last: one that came too late to be written is still read. */
  get shown(): IAnswer[] {
    const path = this.path;
    return this.answers.filter(answer => answer.path === '' || answer.path === path);
  }

  /** The notebook that is open; the one that was open last while none is. */
  private get path(): string {
    return this.host.subject()?.path ?? this.lastPath;
  }

  /** What is to be said of the conversation that was found. */
  get conversationNotice(): string {
    const failure = this.conversations.failure;
    return failure ? failure.message : (this.conversations.notices.get(this.host.subject()?.path ?? '') ?? '');
  }

  /** Find the conversation of the open notebook again. */
  private async recall(): Promise<void> {
    const found = await this.conversations.recall(this.host.subject()?.path ?? '');
    if (found.length) {
      const known = new Set(this.answers.map(answer => answer.id));
      this.answers = [...this.answers, ...found.filter(answer => !known.has(answer.id))];
      this.changed.emit(false);
    }
  }

  /** Remove the conversation that is shown, and the file that it is kept in. */
  async clear(): Promise<void> {
    const path = this.path;
    this.shown.forEach(answer => this.stop(answer.key));
    this.answers = this.answers.filter(answer => answer.path !== path && answer.path !== '');
    this.changed.emit(false);
    await this.conversations.forget(path);
    this.changed.emit(false);
  }

  setMode(mode: Mode): void {
    this.mode = mode;
    this.changed.emit(false);
  }

  /** The download under way, or the one that failed. */
  get pulling(): IPull | null {
    return this.puller.state;
  }

  get running(): boolean {
    return this.runningCount > 0;
  }

  get runningCount(): number {
    return this.answers.filter(answers.isRunning).length;
  }

  /** Whether the latest answer has cells that wait for a decision. */
  hasOpenCells(): boolean {
    const [latest] = this.shown;
    return latest !== undefined && !this.running && answers.openCells(latest).length > 0;
  }

  async refresh(): Promise<void> {
    try {
      this.status = await this.client.status();
      this.trouble = null;
      if (!this.status.model.ready && !this.status.problem && !this.models.length) {
        this.models = await this.client.models();
      }
      this.lookAgain(this.status.engine.queue > this.runningCount);
      void this.askForTrust();
    } catch (error) {
      this.trouble = asFailure(error);
    }
    this.changed.emit(false);
  }

  /** Ask once whether the settings of the project count in full; nothing but a yes changes anything. */
  private async askForTrust(): Promise<void> {
    const untrusted = this.status?.untrusted;
    if (!untrusted || this.askedAbout.has(untrusted.folder)) {
      return;
    }
    this.askedAbout.add(untrusted.folder);
    const title = this.trans.__('Do you trust the settings of this project?');
    if (await this.askUser(title, `${untrusted.folder}\n${untrusted.message}`, this.trans.__('Trust'))) {
      try {
        this.status = await this.client.trust(untrusted.folder);
      } catch (error) {
        this.trouble = asFailure(error);
      }
      this.changed.emit(false);
    }
  }

  /** What was stopped here runs on to its next token there: look until it has ended. */
  private lookAgain(isNeeded: boolean): void {
    clearTimeout(this.timer);
    this.timer = isNeeded ? setTimeout(() => void this.refresh(), LOOK_AGAIN_MS) : undefined;
  }

  setDraft(text: string): void {
    this.draft = text;
    this.changed.emit(false);
  }

  setOptions(options: IOptions): void {
    this.options = options;
    this.changed.emit(false);
  }

  setCandidates(count: number): void {
    this.options = { ...this.options, candidates: count };
    this.changed.emit(false);
  }

  // ------------------------------------------------------------------ asking

  /** Send what stands in the box: a request, or a command with one. */
  async send(): Promise<void> {
    const text = this.draft.trim();
    const { command, name, rest } = parse(text);
    if (command === undefined) {
      const key = this.add(answers.begin(blankTask('generate', text), text, this.host.subject()?.path ?? '', {}));
      const known = COMMANDS.map(one => `/${one.name}`).join(', ');
      return this.failWith(key, 'usage', this.trans.__('there is no command /%1', name), this.trans.__('it takes %1', known));
    }
    await this.ask(command?.kind ?? 'generate', rest, {}, command?.mode ?? this.mode);
  }

  /** Ask, and follow the answer to its end. What is missing is said in a card, never in a dialog. */
  async ask(kind: TaskKind, instruction = this.draft.trim(), more: ITask['options'] = {}, mode = this.mode): Promise<void> {
    const subject = this.host.subject();
    const title = instruction;
    const task: ITask = { ...blankTask(kind, instruction), options: { candidates: this.options.candidates, ...more } };
    const blank = task.target;
    if (kind === 'document') {
      delete task.options.candidates;
    }
    this.remember(instruction);
    const before = this.conversations.before(this.answers, subject?.path ?? '');
    const key = this.add({ ...answers.begin(task, title, subject?.path ?? '', {}), ...stamp() });
    const reading = await this.host.read(kind).catch(() => null);
    if (!reading) {
      return this.failWith(key, 'no-notebook', this.trans.__('no notebook is open'), this.trans.__('open one, then ask again'));
    }
    const asked = kind === 'document' ? { ...blank } : reading.target;
    const reason = unfit(kind, subject, this.trans);
    if (reason !== null) {
      return this.failWith(key, 'unfit', reason, '');
    }
    if (kind !== 'generate' && kind !== 'document' && !asked.source.trim()) {
      const message = this.trans.__('there is no code in the selected cell');
      return this.failWith(key, 'empty', message, this.trans.__('select a cell with code'));
    }
    if (kind === 'generate' && !instruction) {
      const hint = this.trans.__('write above what the cell should do');
      return this.failWith(key, 'empty', this.trans.__('there is no instruction'), hint);
    }
    const full = { ...task, target: asked };
    this.update(key, answer => answers.ask(answer, full, reading.notebook.path ?? '', reading.sources));
    const talk = kind === 'generate' ? { turns: before, mode } : {};
    await this.follow(key, { schema: SCHEMA, task: full, notebook: reading.notebook, ...talk });
    this.keep(key);
    // What the checks reject is written only when somebody says so.
    if (this.options.insertAtOnce && this.find(key)?.phase === 'done' && this.isRight(key)) {
      await this.acceptAll(key);
    }
    await this.refresh();
  }

  private isRight(key: string): boolean {
    const answer = this.find(key);
    return answer !== undefined && answers.offered(answer).every(candidate => candidate.check?.ok !== false);
  }

  /** Put the words of a request into the box, to be changed and sent. */
  edit(key: string): void {
    this.write(this.find(key)?.title ?? '');
  }

  /** Put a text into the box, and the keyboard with it. */
  write(text: string): void {
    this.setDraft(text);
    this.focus.emit();
  }

  /** Ask the same again, for another answer. */
  async again(key: string): Promise<void> {
    const answer = this.find(key);
    if (answer) {
      await this.ask(answer.task.kind, answer.title, { temperature: 0.8, seed: Math.floor(Math.random() * 2 ** 31) });
    }
  }

  stop(key?: string): void {
    for (const [id, abort] of this.aborts) {
      if (key === undefined || id === key) {
        abort.abort();
      }
    }
  }

  dismiss(key: string): void {
    this.stop(key);
    const answer = this.find(key);
    if (answer?.id) {
      void this.conversations.forget(answer.path, answer.id);
    }
    this.answers = this.answers.filter(answer => answer.key !== key);
    this.changed.emit(false);
  }

  choose(key: string, chosen: number): void {
    this.update(key, answer => ({ ...answer, chosen }));
  }

  /** Choose an outcome and write its cells: one click. */
  async take(key: string, chosen: number): Promise<void> {
    this.choose(key, chosen);
    await this.acceptAll(key);
  }

  // ------------------------------------------------------------------ writing

  /** Write one cell of a candidate; `inPlace` puts its text into the cell at fault. */
  async accept(key: string, candidate: ICandidate, at: number, inPlace = false): Promise<void> {
    const answer = this.find(key);
    const edit = answer && (inPlace ? replacement(answer, candidate, at) : narrow(candidate, [at]));
    if (answer && edit) {
      const [outcome] = await this.writer.write(answer.path, [edit]);
      this.settle(key, candidate, [at], outcome);
    }
  }

  reject(key: string, candidate: ICandidate, at: number): void {
    this.update(key, answer => answers.decide(answer, candidate, at, 'rejected'));
    this.keep(key);
  }

  /** Write every cell that waits, in one step. */
  async acceptAll(key: string): Promise<void> {
    const answer = this.find(key);
    if (!answer) {
      return;
    }
    const parts = answers.offered(answer).flatMap(candidate => {
      const open = candidate.decisions.flatMap((decision, at) => (decision === 'open' ? [at] : []));
      const inPlace = isInPlace(answer) && open.length === 1;
      const edit = inPlace ? replacement(answer, candidate, open[0]) : narrow(candidate, open);
      return edit && open.length ? [{ candidate, open, edit }] : [];
    });
    const outcomes = await this.writer.write(answer.path, parts.map(part => part.edit)); // prettier-ignore
    parts.forEach(({ candidate, open }, i) => this.settle(key, candidate, open, outcomes[i]));
  }

  rejectAll(key: string): void {
    this.update(key, answer =>
      answers
        .openCells(answer)
        .reduce((left, { candidate, at }) => answers.decide(left, candidate, at, 'rejected'), answer)
    );
    this.keep(key);
  }

  /** Take out what a turn of the conversation has written. */
  async takeBack(id: string): Promise<void> {
    const answer = this.answers.find(one => one.id === id);
    const group = answer?.candidates[answer.chosen]?.edit?.group ?? answer?.group;
    if (answer && group && (await this.writer.undo(answer.path, group))) {
      this.update(answer.key, one => ({ ...one, undone: true }));
      this.keep(answer.key);
    }
  }

  /** Take the cells of a request out of a notebook again; asks about those that the user edited. */
  async undo(path: string, group: string): Promise<void> {
    const answer = this.answers.find(one => one.candidates.some(candidate => candidate.edit?.group === group));
    if ((await this.writer.undo(path, group)) && answer) {
      this.update(answer.key, one => ({ ...one, undone: true }));
      this.keep(answer.key);
    }
  }

  private settle(key: string, candidate: ICandidate, cells: number[], outcome: IApplied | IRefused): void {
    if (outcome.type === 'refused') {
      const message = this.trans.__('not written: %1', outcome.detail);
      const notice = { message, hint: this.writer.refusalHint(outcome.reason), severity: 'error' };
      this.update(key, answer => ({ ...answer, notices: [...answer.notices, notice] }));
      return;
    }
    this.update(key, answer =>
      cells.reduce(
        (left, at, i) => answers.decide(left, candidate, at, 'accepted', outcome.cells[i] ?? outcome.replaced[i] ?? null),
        answer
      )
    );
    this.keep(key);
    const path = this.find(key)?.path;
    if (path !== undefined && outcome.cells.length) {
      this.host.reveal(path, outcome.cells[0]);
    }
  }

  // ------------------------------------------------------------------ the model on this machine

  async pull(model: string): Promise<void> {
    if (await this.puller.run(model)) {
      this.models = [];
      await this.refresh();
    }
  }

  stopPull(): void {
    this.puller.stop();
  }

  // ------------------------------------------------------------------ inside

  private async follow(key: string, request: Parameters<Client['stream']>[0]): Promise<void> {
    const abort = new AbortController();
    this.aborts.set(key, abort);
    try {
      for await (const event of this.client.stream(request, abort.signal)) {
        this.update(key, answer => answers.next(answer, event), true);
      }
      this.update(key, answer =>
        answers.isRunning(answer)
          ? answers.fail(answer, {
              code: 'cut',
              message: this.trans.__('the answer broke off'),
              hint: this.trans.__('the server may have restarted: ask again')
            })
          : answer
      );
    } catch (error) {
      this.update(key, answer => (abort.signal.aborted ? answers.stop(answer) : answers.fail(answer, asFailure(error))));
    } finally {
      this.aborts.delete(key);
    }
  }

  private add(answer: IAnswer): string {
    const key = `answer-${this.counter++}`;
    this.answers = [{ ...answer, key }, ...this.answers].slice(0, KEPT_ANSWERS);
    this.changed.emit(false);
    return key;
  }

  private update(key: string, change: (answer: IAnswer) => IAnswer, lazy = false): void {
    this.answers = this.answers.map(answer => (answer.key === key ? { ...change(answer), key } : answer));
    this.changed.emit(lazy);
  }

  private keep(key: string): void {
    const answer = this.find(key);
    if (answer) {
      void this.conversations.keep(answer).then(() => this.changed.emit(true));
    }
  }

  private find(key: string): IAnswer | undefined {
    return this.answers.find(answer => answer.key === key);
  }

  private failWith(key: string, code: string, message: string, hint: string): void {
    this.update(key, answer => answers.fail(answer, { code, message, hint }));
  }

  private remember(instruction: string): void {
    if (instruction) {
      this.history = [...this.history.filter(old => old !== instruction), instruction].slice(-KEPT_INSTRUCTIONS);
      this.save(this.history);
    }
    this.draft = '';
  }

  private readonly conversations: Conversations;
  private counter = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
}

const blankTask = (kind: TaskKind, instruction: string): ITask => ({
  kind,
  instruction,
  target: { source: '', cell_id: null, names: [], position: null },
  options: {}
});

/** The name and the time of a new turn. */
function stamp(): { id: string; created: string } {
  const random = Array.from(crypto.getRandomValues(new Uint8Array(12)), byte => byte.toString(16).padStart(2, '0')).join('');
  return { id: random, created: new Date().toISOString() };
}
