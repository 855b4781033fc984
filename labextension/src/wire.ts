/**
 * The messages, twin of nbcopilot/server/wire.py and nbcopilot/write/wire.py. Both sides are tested against
 * the files of tests/data/wire. What arrives is `unknown` until a guard here has looked at it.
 */

export const SCHEMA = 1;

export type TaskKind = 'generate' | 'explain' | 'testgen' | 'fix' | 'document';
export type CellKind = 'code' | 'markdown' | 'raw';

// ------------------------------------------------------------------ kernel and notebook (comm `nbcopilot:cells`)

export interface INewCell {
  kind: CellKind;
  source: string;
  metadata: Record<string, unknown>;
}

/** Cells to write, in one undo step. */
export interface IEdit {
  schema: 1;
  type: 'edit';
  group: string;
  /** The cell that runs and asks. */
  cell_id: string | null;
  /** The cells go below this one; null is the top. */
  after: string | null;
  /** Cells to replace in place. */
  replaces: string[];
  /** Cells of an earlier run of the same request are replaced too, found by their metadata. */
  previous: { source_cell: string; roles: string[] } | null;
  /** Cell id to the hash that its source must still have. */
  expected: Record<string, string>;
  /** Replace cells of an earlier run even where the user edited them. */
  overwrite: boolean;
  cells: INewCell[];
  /** For this page alone: one that was loaded while the request ran. */
  client?: string;
}

/** A request of cell `cell_id` runs beside the cells; its comm closes when it has ended. */
export interface IBegin {
  schema: 1;
  type: 'begin';
  group: string;
  cell_id: string | null;
}

/** What stands below the cell that asked, for a page that has not seen it come. */
export interface IOutputOf {
  schema: 1;
  type: 'output';
  client: string;
  cell_id: string | null;
  data: Record<string, string>;
}

/** Takes the cells of a request out again, and puts back what they replaced. */
export interface IUndo {
  schema: 1;
  type: 'undo';
  group: string;
  /** Also those that the user edited. */
  force: boolean;
}

export interface IHello {
  schema: 1;
  type: 'hello';
}

export type KernelMessage = IEdit | IUndo | IHello | IBegin | IOutputOf;

export type Reason = 'conflict' | 'edited' | 'no-cell' | 'read-only' | 'schema' | 'failed';

export interface IRefused {
  schema: 1;
  type: 'refused';
  group: string;
  reason: Reason;
  cells: string[];
  detail: string;
}

export interface IApplied {
  schema: 1;
  type: 'applied';
  group: string;
  cells: string[];
  replaced: string[];
}

/** With `client`, a page that was loaded while a request ran offers to write its cells. */
export interface IReady {
  schema: 1;
  type: 'ready';
  frontend: string;
  version: string;
  client?: string;
}

export interface IStop {
  schema: 1;
  type: 'stop';
  group: string;
}

export type FrontEndMessage = IApplied | IRefused | IReady | IStop;

export const stop = (group: string): IStop => ({ schema: SCHEMA, type: 'stop', group });

export const ready = (frontend: string, version: string, client?: string): IReady => ({
  schema: SCHEMA,
  type: 'ready',
  frontend,
  version,
  ...(client === undefined ? {} : { client })
});

export const applied = (group: string, cells: string[], replaced: string[]): IApplied => ({
  schema: SCHEMA,
  type: 'applied',
  group,
  cells,
  replaced
});

export const refused = (group: string, reason: Reason, cells: string[], detail: string): IRefused => ({
  schema: SCHEMA,
  type: 'refused',
  group,
  reason,
  cells,
  detail
});

/** The message of a kernel; a refusal for what cannot be read. */
export function readKernelMessage(data: unknown): KernelMessage | IRefused {
  const message = isObject(data) ? data : {};
  const group = typeof message.group === 'string' ? message.group : '';
  if (message.schema !== SCHEMA) {
    return refused(group, 'schema', [], `message schema ${String(message.schema)} is not ${SCHEMA}`);
  }
  switch (message.type) {
    case 'hello':
      return { schema: SCHEMA, type: 'hello' };
    case 'begin':
      return { schema: SCHEMA, type: 'begin', group, cell_id: textOrNull(message.cell_id) };
    case 'output':
      return {
        schema: SCHEMA,
        type: 'output',
        client: String(message.client),
        cell_id: textOrNull(message.cell_id),
        data: isObject(message.data) ? (message.data as Record<string, string>) : {}
      };
    case 'undo':
      return { schema: SCHEMA, type: 'undo', group, force: message.force === true };
    case 'edit':
      if (isEdit(message)) {
        return message;
      }
  }
  return refused(group, 'schema', [], `unreadable message of type ${String(message.type)}`);
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function isEdit(data: object): data is IEdit {
  const edit = data as Partial<IEdit>;
  return (
    typeof edit.group === 'string' &&
    (edit.after === null || typeof edit.after === 'string') &&
    isStrings(edit.replaces) &&
    (edit.previous === null || (isObject(edit.previous) && isStrings(edit.previous.roles))) &&
    isObject(edit.expected) &&
    isStrings(Object.values(edit.expected)) &&
    Array.isArray(edit.cells) &&
    edit.cells.every(
      cell =>
        isObject(cell) &&
        ['code', 'markdown', 'raw'].includes(cell.kind as string) &&
        typeof cell.source === 'string' &&
        isObject(cell.metadata)
    )
  );
}

// ------------------------------------------------------------------ notebook and server (HTTP)

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

export interface IStreamRequest {
  schema: 1;
  task: ITask;
  notebook: INotebookData;
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

export interface IFinding {
  check: string;
  severity: 'error' | 'warning' | 'info';
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
    }
  | { type: 'edit'; index: number; attempt: number; best: boolean; edit: IEdit }
  /** Ghost text so far, whole. */
  | { type: 'text'; text: string }
  | { type: 'done'; finish: string; usage: IUsage | null }
  | ({ type: 'error' } & IFailure);

const EVENT_FIELDS: Record<ServerEvent['type'], readonly string[]> = {
  started: ['id'],
  parts: ['cells'],
  progress: ['done', 'total'],
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

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every(item => typeof item === 'string');
}
