/** The edits that a candidate offers: some of its cells, or its text in place of the user's own cell. */

import type { IAnswer, ICandidate } from './answer';
import { textHash } from './hash';
import type { IEdit, INewCell } from './wire';
import { isObject } from './wire';

/**
 * The edit that writes only the cells `picked` of a candidate. They go below those that are written already;
 * a cell that replaces one takes its own place.
 */
export function narrow(candidate: ICandidate, picked: number[]): IEdit | null {
  const edit = candidate.edit;
  if (!edit) {
    return null;
  }
  const cells: INewCell[] = picked.map(at => edit.cells[at]);
  if (edit.replaces.length) {
    const replaces = picked.map(at => edit.replaces[at]).filter(id => id !== undefined);
    return { ...edit, cells, replaces };
  }
  const before = candidate.written.slice(0, picked[0]).filter(id => id !== null);
  return { ...edit, cells, after: before.length ? before[before.length - 1] : edit.after };
}

/** A fix is offered as a change of the user's own cell, as long as that cell is known. */
export function isInPlace(answer: IAnswer): boolean {
  return answer.task.kind === 'fix' && answer.task.target.cell_id !== null;
}

/** The cell that a fix is for: the one at fault, which need not be the one that failed and was asked about. */
export function subjectOf(answer: IAnswer, candidate: ICandidate): string | null {
  const ours = candidate.edit?.cells[0]?.metadata.nbcopilot;
  const source = isObject(ours) ? ours.source_cell : null;
  return typeof source === 'string' ? source : answer.task.target.cell_id;
}

/** The edit that puts the text of a candidate into the user's own cell: its text only, no label, no metadata. */
export function replacement(answer: IAnswer, candidate: ICandidate, at: number): IEdit | null {
  const id = subjectOf(answer, candidate);
  const before = id === null ? undefined : answer.sources[id];
  if (!candidate.edit || id === null || before === undefined || candidate.text === null) {
    return null;
  }
  const kind = candidate.edit.cells[at].kind;
  return {
    ...candidate.edit,
    after: null,
    replaces: [id],
    expected: { [id]: textHash(before) },
    cells: [{ kind, source: candidate.text.replace(/^\n+|\n+$/g, ''), metadata: {} }]
  };
}
