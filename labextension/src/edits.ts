/**
 * A CellEdit into an open notebook, and out again: each in one transaction, one undo step. Looks at the shared
 * model only; who asks the user, and which notebook it is, is the caller's.
 */

import type { ISharedCell, ISharedCodeCell, ISharedNotebook, SharedCell, YNotebook } from '@jupyter/ydoc';

import type { ICodeCell } from '@jupyterlab/nbformat';

import { textHash } from './hash';
import { lockOf } from './snapshot';
import type { IApplied, IAsks, IEdit, IKnown, INewCell, IRefused } from './wire';
import { applied, isObject, known, refused } from './wire';

interface IRecord {
  role?: string;
  group?: string;
  source_cell?: string | null;
  source_hash?: string;
  request_hash?: string;
  cell_hash?: string;
}

/** What an edit took the place of: the cell as it was, and the id of the cell that is there now (null: none). */
interface IReplaced {
  cell: SharedCell.Cell;
  by: string | null;
  below: string | null;
}

// What `undo` puts back; gone with the page, as the undo history of JupyterLab is.
const memory = new WeakMap<ISharedNotebook, Map<string, IReplaced[]>>();

/** Write `edit`; on a refusal nothing was changed. */
export function apply(shared: ISharedNotebook, edit: IEdit, readOnly = false): IApplied | IRefused {
  return applyAll(shared, [edit], readOnly)[0];
}

/** Write several edits in one step; those that are refused are left out. */
export function applyAll(shared: ISharedNotebook, edits: IEdit[], readOnly = false): (IApplied | IRefused)[] {
  const plans = edits.map(edit => prepare(shared, edit, readOnly));
  const outcomes: (IApplied | IRefused)[] = [];
  oneStep(shared, place => {
    plans.forEach((plan, i) => {
      outcomes.push(Array.isArray(plan) ? write(shared, place, edits[i], plan) : plan);
    });
  });
  return outcomes;
}

/** The cells that `edit` replaces, or why it cannot be written. */
function prepare(shared: ISharedNotebook, edit: IEdit, readOnly: boolean): ISharedCell[] | IRefused {
  if (readOnly) {
    return refused(edit.group, 'read-only', [], 'the notebook is read-only');
  }
  const replaced = shared.cells.filter(cell => edit.replaces.includes(cell.getId()) || isEarlier(cell, edit));
  const locked = replaced.filter(cell => lockOf(cell));
  if (locked.length) {
    return refused(edit.group, 'read-only', ids(locked), `the cell is locked (${lockOf(locked[0])})`);
  }
  const changed = replaced.filter(cell => {
    const expected = edit.expected[cell.getId()];
    return expected === undefined ? isEdited(cell) : textHash(cell.getSource()) !== expected;
  });
  if (changed.length && !edit.overwrite) {
    return refused(edit.group, 'edited', ids(changed), 'a cell was edited since it was written', texts(changed));
  }
  for (const [id, hash] of Object.entries(edit.expected)) {
    const cell = find(shared, id);
    if (cell && !replaced.includes(cell) && textHash(cell.getSource()) !== hash) {
      return refused(edit.group, 'conflict', [id], 'the cell was changed while the answer was made');
    }
  }
  if (!replaced.length && edit.after !== null && !find(shared, edit.after)) {
    return refused(edit.group, 'no-cell', [edit.after], 'the cell that the new cells go below is gone');
  }
  return replaced;
}

function write(shared: ISharedNotebook, place: Placement, edit: IEdit, replaced: ISharedCell[]): IApplied {
  const gone = ids(replaced); // read now: a cell that was taken out has no id any more
  const written = replaced.length
    ? replace(shared, place, edit, replaced)
    : place.below(edit.after, edit.cells.map(sharedCell));
  return applied(edit.group, written, gone);
}

/** Take the cells of `group` out and put back what they replaced; a refusal names the cells that were edited. */
export function undo(shared: ISharedNotebook, group: string, force: boolean, readOnly = false): IApplied | IRefused {
  if (readOnly) {
    return refused(group, 'read-only', [], 'the notebook is read-only');
  }
  const kept = memory.get(shared)?.get(group) ?? [];
  const ours = shared.cells.filter(cell => record(cell)?.group === group || kept.some(old => old.by === cell.getId()));
  const changed = ours.filter(isEdited);
  if (changed.length && !force) {
    return refused(group, 'edited', ids(changed), 'a cell was edited since it was written');
  }
  if (!ours.length && !kept.length) {
    return refused(group, 'no-cell', [], 'no cell of that request is in this notebook');
  }
  const gone = ids(ours);
  oneStep(shared, place => {
    for (const id of gone) {
      const old = kept.find(item => item.by === id);
      if (old) {
        place.become(id, old.cell);
      } else {
        place.remove(id);
      }
    }
    for (const old of kept.filter(item => item.by === null)) {
      place.below(old.below, [old.cell]);
    }
  });
  memory.get(shared)?.delete(group);
  return applied(group, kept.map(old => String(old.cell.id)), gone);
}

/** What the notebook holds of the answer to a request: nothing, its cells as they were written, or edited ones. */
export function answerOf(shared: ISharedNotebook, group: string, asks: IAsks): IKnown {
  const answers = shared.cells.filter(cell => {
    const ours = record(cell);
    return (
      ours !== null &&
      ours.role === asks.role &&
      (asks.source_cell === null || ours.source_cell === asks.source_cell) &&
      (ours.request_hash ? ours.request_hash === asks.request_hash : asks.source_cell !== null && ours.source_hash === asks.source_hash)
    );
  });
  const changed = answers.filter(isEdited);
  return known(group, changed.length ? 'edited' : answers.length ? 'untouched' : 'none', ids(changed.length ? changed : answers));
}

/**
 * What was said when `edit` was written, where its cells are in the notebook already: another page that has the
 * notebook open with this one may have done it. null: they are not.
 */
export function writtenBefore(shared: ISharedNotebook, edit: IEdit): IApplied | null {
  const there = shared.cells.filter(cell => record(cell)?.group === edit.group);
  const found = edit.cells.map(cell => {
    const ours = cell.metadata.nbcopilot as IRecord | undefined;
    return there.find(old => ours !== undefined && record(old)?.cell_hash === ours.cell_hash && record(old)?.role === ours.role);
  });
  return edit.cells.length && found.every(cell => cell) ? applied(edit.group, ids(found as ISharedCell[]), []) : null;
}

/** Groups of requests that have cells in the notebook, or replaced some, latest last. */
export function groups(shared: ISharedNotebook): string[] {
  const found = new Map<string, string>();
  for (const cell of shared.cells) {
    const ours = record(cell) as (IRecord & { created?: string }) | null;
    if (ours?.group) {
      found.set(ours.group, String(ours.created ?? ''));
    }
  }
  const inNotebook = [...found].sort((a, b) => a[1].localeCompare(b[1])).map(([group]) => group);
  const inMemory = [...(memory.get(shared)?.keys() ?? [])].filter(group => !found.has(group));
  return [...inNotebook, ...inMemory];
}

function replace(shared: ISharedNotebook, place: Placement, edit: IEdit, replaced: ISharedCell[]): string[] {
  const kept: IReplaced[] = [];
  const written: string[] = [];
  const olds = replaced.map(cell => cell.toJSON() as SharedCell.Cell);
  replaced.forEach((cell, i) => {
    const old = olds[i];
    const id = String(old.id);
    const fresh = edit.cells[i];
    kept.push({ cell: old, by: fresh ? id : null, below: place.above(id) });
    if (!fresh) {
      place.remove(id);
      return;
    }
    written.push(id);
    const isOurs = record(cell) !== null;
    const isSame = isOurs && fresh.source === cell.getSource(); // its outputs are still right
    if (edit.keeps || isSame) {
      place.become(id, { ...old, source: fresh.source, metadata: metadataOf(fresh) } as SharedCell.Cell);
    } else {
      // A cell of the user's own keeps its outputs and its metadata; one of ours is as good as new.
      place.become(id, isOurs ? sharedCell(fresh) : { ...withoutErrors(old), source: fresh.source });
    }
  });
  const map = memory.get(shared) ?? new Map<string, IReplaced[]>();
  memory.set(shared, map.set(edit.group, [...(map.get(edit.group) ?? []), ...kept]));
  const more = edit.cells.slice(replaced.length).map(sharedCell);
  return [...written, ...place.below(written[written.length - 1] ?? null, more)];
}

/** A cell whose text is replaced: what it showed may still be right, an error that the text raised is not. */
function withoutErrors(cell: SharedCell.Cell): SharedCell.Cell {
  const { outputs } = cell as { outputs?: { output_type?: unknown }[] };
  return Array.isArray(outputs) ? ({ ...cell, outputs: outputs.filter(one => one.output_type !== 'error') } as SharedCell.Cell) : cell;
}

/** Where cells are inside a transaction: the shared model only knows after its end. */
class Placement {
  private readonly order: string[];

  constructor(private readonly shared: ISharedNotebook) {
    this.order = ids(shared.cells);
  }

  above(id: string): string | null {
    return this.order[this.order.indexOf(id) - 1] ?? null;
  }

  /** Put cells below the one with this id (null, or one that is gone: at the top); gives back their ids. */
  below(id: string | null, cells: SharedCell.Cell[]): string[] {
    const index = id === null ? 0 : this.order.indexOf(id) + 1;
    const made = cells.length ? ids(this.shared.insertCells(index, cells)) : [];
    this.order.splice(index, 0, ...made);
    return made;
  }

  remove(id: string): void {
    const index = this.order.indexOf(id);
    this.shared.deleteCell(index);
    this.order.splice(index, 1);
  }

  /**
   * Give the cell with this id the content of another. The cell itself stays, so that what somebody else types into it
   * at this moment is kept; one of another type is put in its place. Inside `oneStep` all of it belongs to the
   * notebook's undo history, the text as well.
   */
  become(id: string, target: SharedCell.Cell): void {
    const cell = find(this.shared, id);
    if (!cell || cell.cell_type !== target.cell_type) {
      const index = this.order.indexOf(id);
      this.shared.deleteCell(index);
      this.shared.insertCell(index, { ...target, id });
      return;
    }
    const source = target.source ?? '';
    setText(cell, Array.isArray(source) ? source.join('') : source);
    if (!isEqual(cell.getMetadata(), target.metadata ?? {})) {
      cell.setMetadata((target.metadata ?? {}) as never);
    }
    if (cell.cell_type === 'code') {
      const { outputs = [], execution_count = null } = target as Partial<ICodeCell>;
      const code = cell as ISharedCodeCell;
      if (!isEqual(code.getOutputs(), outputs)) {
        code.setOutputs(outputs);
      }
      code.execution_count = execution_count;
    }
  }
}

/** Change only what differs between the text of a cell and `text`, never half of a surrogate pair. */
function setText(cell: ISharedCell, text: string): void {
  const old = cell.getSource();
  const most = Math.min(old.length, text.length);
  let start = 0;
  while (start < most && old[start] === text[start]) {
    start++;
  }
  let same = 0;
  while (same < most - start && old[old.length - 1 - same] === text[text.length - 1 - same]) {
    same++;
  }
  start -= /[\uD800-\uDBFF]/.test(old.charAt(start - 1)) ? 1 : 0;
  same -= /[\uDC00-\uDFFF]/.test(old.charAt(old.length - same)) ? 1 : 0;
  if (old !== text) {
    cell.updateSource(start, old.length - same, text.slice(start, text.length - same));
  }
}

function isEqual(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function sharedCell(cell: INewCell): SharedCell.Cell {
  return { cell_type: cell.kind, source: cell.source, metadata: metadataOf(cell) } as SharedCell.Cell;
}

/** Text from a model never arrives trusted, whatever the message says. */
function metadataOf(cell: INewCell): Record<string, unknown> {
  const { trusted: _, ...metadata } = cell.metadata;
  return metadata;
}

function oneStep(shared: ISharedNotebook, change: (place: Placement) => void): void {
  const history = (shared as YNotebook).undoManager;
  history.stopCapturing(); // else it is merged with any change of the half second before
  shared.transact(() => change(new Placement(shared)));
  history.stopCapturing();
}

function isEarlier(cell: ISharedCell, edit: IEdit): boolean {
  const ours = record(cell);
  return (
    ours !== null &&
    edit.previous !== null &&
    ours.group !== edit.group &&
    ours.source_cell === edit.previous.source_cell &&
    edit.previous.roles.includes(String(ours.role))
  );
}

function isEdited(cell: ISharedCell): boolean {
  const hash = record(cell)?.cell_hash;
  return hash !== undefined && textHash(cell.getSource()) !== hash;
}

function record(cell: ISharedCell): IRecord | null {
  const ours = (cell.getMetadata() as Record<string, unknown>).nbcopilot;
  return isObject(ours) ? (ours as IRecord) : null;
}

function find(shared: ISharedNotebook, id: string): ISharedCell | undefined {
  return shared.cells.find(cell => cell.getId() === id);
}

function texts(cells: readonly ISharedCell[]): string[] {
  return cells.map(cell => cell.getSource());
}

function ids(cells: readonly ISharedCell[]): string[] {
  return cells.map(cell => cell.getId());
}
