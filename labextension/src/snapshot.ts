/** An open notebook -> the message that the server turns into a `Notebook`. Reads only, and bounded. */

import type { IOutput as INbOutput } from '@jupyterlab/nbformat';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel } from '@jupyterlab/services';
import type { ISharedCell, ISharedCodeCell } from '@jupyter/ydoc';

import type { ICell, IErrorInfo, INotebookData, IOutput, ITarget, IVariable, TaskKind } from './wire';
import { isObject } from './wire';

// The server cuts again by tokens; these keep a notebook of 10 MB from being sent at all.
const OUTPUT_CHARACTERS = 2000;
const OUTPUTS_OF_CELL = 5;
const CELLS_WITH_OUTPUTS = 30;
const SOURCE_CHARACTERS = 50_000;
/** What of a cell's metadata says what it is: nbcopilot/notebook/conventions.py reads these. */
const KEYS = [
  ...['nbcopilot', 'tags', 'editable', 'deletable', 'jupyter', 'nbgrader', 'nbsphinx', 'slideshow', 'kernel', 'vscode'],
  ...['dotnet_interactive', 'polyglot_notebook', 'cellView', '_kg_hide-input', 'hide_input', 'init_cell', 'colab_type'],
  ...['id', 'raw_mimetype', 'otter']
];
/** A kernel that does not answer by then is asked no more: the request goes without variables. */
export const PROBE_MILLISECONDS = 2000;

// eslint-disable-next-line no-control-regex
const ANSI = /\u001b\[[0-9;]*[A-Za-z]/g;

export function snapshot(panel: NotebookPanel, live: ILive): INotebookData {
  const cells = panel.content.model?.sharedModel.cells ?? [];
  const cursor = panel.content.activeCellIndex;
  const near = (index: number): boolean => Math.abs(index - cursor) <= CELLS_WITH_OUTPUTS;
  return {
    cells: cells.map((cell, index) => readCell(cell, near(index))),
    cursor: cursor < 0 ? null : cursor,
    language: languageOf(panel),
    path: panel.context.path,
    variables: live.variables,
    names: live.names,
    state: live.state,
    error: lastError(cells, cursor)
  };
}

/** What the request is about: the selected text, else the selected cells, else the active one; for `fix` a failed one. */
export function target(panel: NotebookPanel, kind: TaskKind): ITarget {
  const notebook = panel.content;
  const cells = notebook.model?.sharedModel.cells ?? [];
  const selected = notebook.widgets.flatMap((cell, i) => (notebook.isSelectedOrActive(cell) ? [i] : []));
  let position = selected.length ? selected[selected.length - 1] : notebook.activeCellIndex;
  if (kind === 'fix' && !errorOf(cells[position])) {
    position = lastFailed(cells) ?? position;
  }
  const cell = cells[position];
  if (!cell) {
    return { source: '', cell_id: null, names: [], position: null };
  }
  if (kind === 'generate') {
    // Below this cell, not about it: it is context like any other, and asking again must not replace its answer.
    return { source: selectedText(panel), cell_id: null, names: [], position };
  }
  const several = selected.length > 1 && kind !== 'fix';
  const source = several
    ? selected.map(i => cells[i]).filter(c => c.cell_type === 'code').map(c => c.getSource()).join('\n\n') // prettier-ignore
    : (kind === 'fix' ? '' : selectedText(panel)) || cell.getSource();
  return { source, cell_id: cell.getId(), names: [], position };
}

/** Whether several cells are selected, with code among them. */
export function selectedCode(panel: NotebookPanel): boolean {
  const selected = panel.content.widgets.filter(cell => panel.content.isSelectedOrActive(cell));
  return selected.length > 1 && selected.some(cell => cell.model.type === 'code');
}

/** Whether a cell of the notebook shows an error that is not meant. */
export function hasFailed(panel: NotebookPanel): boolean {
  return lastFailed(panel.content.model?.sharedModel.cells ?? []) !== null;
}

/** Text selected in the editor of the active cell. */
export function selectedText(panel: NotebookPanel): string {
  const editor = panel.content.activeCell?.editor;
  if (!editor || (panel.content.activeCell?.model.type !== 'code' && panel.content.mode !== 'edit')) {
    return '';
  }
  const { start, end } = editor.getSelection();
  const [from, to] = [editor.getOffsetAt(start), editor.getOffsetAt(end)];
  return editor.model.sharedModel.getSource().slice(Math.min(from, to), Math.max(from, to));
}

export function languageOf(panel: NotebookPanel): string {
  const metadata: unknown = panel.content.model?.sharedModel.metadata;
  for (const [key, field] of [['language_info', 'name'], ['kernelspec', 'language']]) { // prettier-ignore
    const part = isObject(metadata) ? metadata[key] : null;
    if (isObject(part) && typeof part[field] === 'string' && part[field]) {
      return part[field];
    }
  }
  return 'python';
}

// ------------------------------------------------------------------ the live namespace

export interface ILive {
  variables: IVariable[] | null;
  names: string[];
  /** Measured facts of tables, keys and files: read by the server alone. */
  state: unknown;
}

export const NOTHING_LIVE: ILive = { variables: null, names: [], state: null };

/** Sees the namespace without leaving a trace: an expression beside an empty, silent execution. */
const PROBE = '__import__("nbcopilot.server.probe", fromlist=["Probe"]).Probe()';

/** Names and bounded summaries of the kernel's variables; nothing when it is busy, not Python, or lacks nbcopilot. */
export async function readLive(kernel: Kernel.IKernelConnection | null | undefined, language: string): Promise<ILive> {
  if (!kernel || kernel.status !== 'idle' || !/python/i.test(language)) {
    return NOTHING_LIVE;
  }
  const future = kernel.requestExecute({
    code: '',
    silent: true,
    store_history: false,
    allow_stdin: false,
    user_expressions: { nbcopilot: PROBE }
  });
  try {
    const reply = await Promise.race([future.done, after(PROBE_MILLISECONDS)]);
    const content = reply?.content as unknown;
    const expressions = isObject(content) && isObject(content.user_expressions) ? content.user_expressions : {};
    const result = expressions.nbcopilot;
    const data = isObject(result) && isObject(result.data) ? result.data['application/json'] : null;
    return isObject(data) && Array.isArray(data.variables) && Array.isArray(data.names)
      ? { variables: data.variables as IVariable[], names: data.names as string[], state: data.state ?? null }
      : NOTHING_LIVE;
  } catch {
    return NOTHING_LIVE; // the kernel died or was restarted under the question
  } finally {
    future.dispose();
  }
}

function after(milliseconds: number): Promise<null> {
  return new Promise(resolve => setTimeout(() => resolve(null), milliseconds));
}

// ------------------------------------------------------------------ cells and outputs

function readCell(cell: ISharedCell, withOutputs: boolean): ICell {
  const code = cell.cell_type === 'code' ? (cell as ISharedCodeCell) : null;
  const metadata = cell.getMetadata() as Record<string, unknown>;
  return {
    id: cell.getId(),
    kind: cell.cell_type as ICell['kind'],
    source: cell.getSource().slice(0, SOURCE_CHARACTERS),
    outputs: code && withOutputs ? code.getOutputs().slice(-OUTPUTS_OF_CELL).map(shortOutput) : [],
    executed: code?.execution_count ?? null,
    metadata: Object.fromEntries(Object.entries(metadata).filter(([key]) => KEYS.includes(key)))
  };
}

export function shortOutput(output: INbOutput): IOutput {
  const kind = { stream: 'stream', execute_result: 'result', error: 'error' }[output.output_type as string] ?? 'display';
  return { kind, ...cut(outputText(output)) };
}

function outputText(output: INbOutput): string {
  if (output.output_type === 'error') {
    return `${String(output.ename)}: ${String(output.evalue)}`;
  }
  if (output.output_type === 'stream') {
    return plain(output.text);
  }
  return plain(isObject(output.data) ? output.data['text/plain'] : '');
}

function plain(text: unknown): string {
  return (Array.isArray(text) ? text.join('') : typeof text === 'string' ? text : '').replace(ANSI, '');
}

function cut(text: string): { text: string; truncated: number } {
  const over = text.length - OUTPUT_CHARACTERS;
  if (over <= 0) {
    return { text, truncated: 0 };
  }
  const half = OUTPUT_CHARACTERS / 2;
  return { text: `${text.slice(0, half)}\n…\n${text.slice(-half)}`, truncated: over };
}

export function tagsOf(cell: ISharedCell): string[] {
  const { tags } = cell.getMetadata() as { tags?: unknown };
  return Array.isArray(tags) ? tags.map(String) : [];
}

/** Why the text of a cell may not be changed, as its metadata says it; "" when it may. */
export function lockOf(cell: ISharedCell | undefined): string {
  const metadata = (cell?.getMetadata() ?? {}) as { editable?: unknown; nbgrader?: unknown };
  if (metadata.editable === false) {
    return 'editable: false';
  }
  const nbgrader = isObject(metadata.nbgrader) ? metadata.nbgrader : {};
  if (nbgrader.solution === true) {
    return '';
  }
  return nbgrader.locked === true ? 'nbgrader: locked' : nbgrader.grade === true ? 'nbgrader: a graded test' : '';
}

function errorOf(cell: ISharedCell | undefined): INbOutput | null {
  // A cell that is meant to fail has not failed.
  const isMeant = cell !== undefined && tagsOf(cell).some(tag => tag.replace(/_/g, '-') === 'raises-exception');
  const outputs = cell?.cell_type === 'code' && !isMeant ? (cell as ISharedCodeCell).getOutputs() : [];
  return outputs.find(output => output.output_type === 'error') ?? null;
}

function lastFailed(cells: readonly ISharedCell[]): number | null {
  let found: number | null = null;
  let latest = -1;
  cells.forEach((cell, i) => {
    const executed = cell.cell_type === 'code' ? ((cell as ISharedCodeCell).execution_count ?? 0) : -1;
    if (executed > latest && errorOf(cell)) {
      [found, latest] = [i, executed];
    }
  });
  return found;
}

function lastError(cells: readonly ISharedCell[], cursor: number): IErrorInfo | null {
  const at = errorOf(cells[cursor]) ? cursor : lastFailed(cells);
  const output = at === null ? null : errorOf(cells[at]);
  if (at === null || output === null) {
    return null;
  }
  const traceback = Array.isArray(output.traceback) ? output.traceback.join('\n').replace(ANSI, '') : '';
  return {
    name: String(output.ename),
    message: String(output.evalue),
    traceback: cut(traceback).text,
    cell_id: cells[at].getId(),
    source: cells[at].getSource()
  };
}
