/** Notebook and server, over HTTP: twin of nbcopilot/server/wire.py. */

import type { CellKind } from './common';
import { isObject } from './common';
import type { IEdit } from './kernel';

export type TaskKind = 'generate' | 'explain' | 'testgen' | 'fix' | 'document';

export interface IOutput {
  kind: string;
  text: string;
  truncated: number;
}

export interface ICell {
  id: string;
  kind: CellKind;
  source: string;
  outputs: IOutput[];
  executed: number | null;
  /** Only our own record of where the cell comes from. */
  metadata: Record<string, unknown>;
}

export interface IVariable {
  name: string;
  type: string;
  kind: string;
  summary: string;
}

export interface IErrorInfo {
  name: string;
  message: string;
  traceback: string;
  cell_id: string | null;
  source: string;
}

/** What is there: the twin of `Notebook` in nbcopilot/types.py. `variables` null: no kernel was looked at. */
export interface INotebookData {
  cells: ICell[];
  cursor: number | null;
  language: string;
  path: string | null;
  variables: IVariable[] | null;
  names: string[];
  state?: unknown;
  error: IErrorInfo | null;
}

export interface ITarget {
  source: string;
  cell_id: string | null;
  names: string[];
  position: number | null;
}

export interface ITask {
  kind: TaskKind;
  instruction: string;
  target: ITarget;
  /** Settings for this request only, by their names in nbcopilot/config.py. */
  options: Record<string, string | number | boolean>;
}

/** What kind of answer a turn of a conversation gets; "auto": the model says. */
export type Mode = 'auto' | 'code' | 'words';

export type TurnState = 'offered' | 'taken' | 'rejected' | 'undone' | 'stopped' | 'failed';

/** One thing that was asked, and what came of it: the twin of `Turn` in nbcopilot/turns.py. */
export interface ITurn {
  id: string;
  kind: string;
  asked: string;
  text: string;
  answer: 'code' | 'markdown';
  state: TurnState;
  cells: string[];
  truth: string;
  preview: IPreview | null;
  created: string;
  group: string;
}

export interface IConversation {
  turns: ITurn[];
  /** What is to be said of the file that they were in; "" as a rule. */
  notice: string;
}

export interface IStreamRequest {
  schema: 1;
  task: ITask;
  notebook: INotebookData;
  /** The turns before this one, of a request that belongs to a conversation. */
  turns?: ITurn[];
  mode?: Mode;
}

export interface ICompleteRequest {
  schema: 1;
  prefix: string;
  suffix: string;
  /** Sources of the code cells above, in order. */
  before: string[];
  language: string;
  max_tokens: number;
  budget_seconds: number;
  /** The editor that asks: its newer request makes the older one void. */
  client: string;
}

export interface ISnippet {
  kind: string;
  source: string;
  text: string;
  reason: string;
  tokens: number;
}

/** The head of a table as text; `rows` and `width` count the whole. */
export interface ITableView {
  columns: string[];
  index: string[];
  cells: string[][];
  rows: number;
  width: number;
  numeric: boolean[];
}

/** What became of a variable: the twin of `Change` in nbcopilot/preview.py. */
export interface IChange {
  name: string;
  kind: 'made' | 'changed' | 'deleted';
  type: string;
  was: string;
  unit: '' | 'rows' | 'items';
  /** Before and after; -1: not counted. */
  rows: [number, number];
  columns: number;
  added: string[];
  removed: string[];
  altered: string[];
  before: string;
  after: string;
}

export interface IFigureView {
  /** Base64; "" where it was not drawn. */
  png: string;
  alt: string;
  missing: '' | 'time' | 'size' | 'error';
}

/** What a run gave: data, never markup. The twin of `Preview` in nbcopilot/preview.py. */
export interface IPreview {
  value: { type: string; text: string; table: ITableView | null; call: string } | null;
  figures: IFigureView[];
  changes: IChange[];
  unchanged: string[];
  uses: string[];
  printed: string;
  files: [string, number][];
  /** Equal for answers that behave the same; "" where that cannot be told. */
  group: string;
}

/** How sure it is that an answer does what was asked, in words; "ok" only where that was measured. */
export interface IConfidence {
  text: string;
  state: 'ok' | 'none' | 'bad';
  /** In a word or two. */
  label?: string;
}

export interface IFinding {
  /** Stable, such as "NB205"; `nbcopilot rule NB205` prints its page. */
  code: string;
  check: string;
  severity: 'error' | 'warning' | 'intent' | 'info';
  message: string;
  hint: string;
  line: number | null;
}

export interface IUsage {
  prompt_tokens: number;
  completion_tokens: number;
  cached_tokens: number;
  first_token_seconds: number;
  seconds: number;
}

export interface IFailure {
  code: string;
  message: string;
  hint: string;
}

/** A line of the answer stream: the twin of the events of nbcopilot/events.py. */
export type ServerEvent =
  | { type: 'started'; id: string }
  /** The answer comes in parts, one for each of these cells; `index` counts the parts. */
  | { type: 'parts'; cells: string[] }
  /** So many texts of so many are there. */
  | { type: 'progress'; done: number; total: number }
  /** What a turn was taken for; of "undo", the turn that is meant ("" when there is none). */
  | { type: 'meant'; intent: 'code' | 'words' | 'undo'; turn: string }
  | { type: 'notice'; message: string; hint: string; severity: string }
  | { type: 'context'; snippets: ISnippet[]; dropped: ISnippet[]; redacted: number; tokens: number; budget: number }
  | { type: 'prompt'; attempt: number }
  | { type: 'token'; text: string; index: number; attempt: number }
  | { type: 'candidate'; index: number; attempt: number; text: string; answer: string; prose: string; complete: boolean }
  | {
      type: 'check';
      index: number;
      attempt: number;
      text: string;
      ok: boolean;
      findings: IFinding[];
      checks: Record<string, unknown>;
      level: string;
      evidence: Record<string, unknown>;
      preview?: IPreview | null;
    }
  | {
      type: 'edit';
      index: number;
      attempt: number;
      best: boolean;
      edit: IEdit;
      confidence?: IConfidence | null;
      /** How many answers came to each outcome, by the group of its preview. */
      outcomes?: Record<string, number>;
    }
  /** Ghost text so far, whole. */
  | { type: 'text'; text: string }
  | { type: 'done'; finish: string; usage: IUsage | null }
  | ({ type: 'error' } & IFailure);

const EVENT_FIELDS: Record<ServerEvent['type'], readonly string[]> = {
  started: ['id'],
  parts: ['cells'],
  progress: ['done', 'total'],
  meant: ['intent', 'turn'],
  notice: ['message'],
  context: ['snippets', 'dropped', 'tokens'],
  prompt: ['attempt'],
  token: ['text', 'index', 'attempt'],
  candidate: ['index', 'attempt', 'text'],
  check: ['index', 'attempt', 'ok', 'findings', 'checks'],
  edit: ['index', 'attempt', 'edit'],
  text: ['text'],
  done: ['finish'],
  error: ['message']
};

/** The event in one line of the stream, or null for a line that is none (of a newer server, or cut). */
export function readEvent(line: string): ServerEvent | null {
  let data: unknown;
  try {
    data = JSON.parse(line);
  } catch {
    return null;
  }
  if (!isObject(data) || typeof data.type !== 'string' || !Object.hasOwn(EVENT_FIELDS, data.type)) {
    return null;
  }
  const fields = EVENT_FIELDS[data.type as ServerEvent['type']];
  return fields.every(field => Object.hasOwn(data, field)) ? (data as unknown as ServerEvent) : null;
}

/** State of the engine and the model, as GET status gives it. */
export interface IStatus {
  version: string;
  model: { id: string; ready: boolean; bytes: number; licence: string; note: string };
  engine: { kind: string; state: 'stopped' | 'starting' | 'ready'; where: string; queue: number };
  /** True when no text of the notebook leaves this machine. */
  local: boolean;
  tokens_per_second: number | null;
  problem: IFailure | null;
  /** A folder whose settings are ignored until the user trusts it, and the sentence that says which. */
  untrusted: { folder: string; message: string } | null;
  /** Settings that an administrator has locked: where, in words. */
  locked: { name: string; value: unknown; by: string }[];
  /** Features that are switched off. */
  off: string[];
}

export interface IModel {
  id: string;
  bytes: number;
  licence: string;
  ready: boolean;
  recommended: boolean;
  note: string;
}

/** A line of the stream that POST pull gives. */
export type PullEvent =
  | { type: 'progress'; done: number; total: number; what: string }
  | { type: 'ready'; model: string }
  | ({ type: 'error' } & IFailure);
