/** Kernel and notebook, on the comm `nbcopilot:cells`: twin of nbcopilot/write/wire.py. */

import type { CellKind } from './common';
import { SCHEMA, isObject, isStrings } from './common';

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
  /** Cells that are replaced keep their outputs. */
  keeps?: boolean;
  /** For this page alone: one that was loaded while the request ran. */
  client?: string;
}

/** A request of cell `cell_id` runs beside the cells; its comm closes when it has ended. */
export interface IBegin {
  schema: 1;
  type: 'begin';
  group: string;
  cell_id: string | null;
  /** Say, as `known`, what the notebook holds of the answer to this. */
  asks?: IAsks;
}

/** What a request asks for, as the metadata of its answer has it. */
export interface IAsks {
  request_hash: string;
  source_cell: string | null;
  source_hash: string;
  role: string;
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
  /** The texts of those cells as they are now. */
  sources?: string[];
}

/** What the notebook holds of the answer to a request already. */
export interface IKnown {
  schema: 1;
  type: 'known';
  group: string;
  state: 'none' | 'untouched' | 'edited';
  cells: string[];
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

export type FrontEndMessage = IApplied | IRefused | IReady | IStop | IKnown;

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

export const refused = (group: string, reason: Reason, cells: string[], detail: string, sources?: string[]): IRefused => ({
  schema: SCHEMA,
  type: 'refused',
  group,
  reason,
  cells,
  detail,
  ...(sources === undefined ? {} : { sources })
});

export const known = (group: string, state: IKnown['state'], cells: string[]): IKnown => ({
  schema: SCHEMA,
  type: 'known',
  group,
  state,
  cells
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
      return {
        schema: SCHEMA,
        type: 'begin',
        group,
        cell_id: textOrNull(message.cell_id),
        ...(isAsks(message.asks) ? { asks: message.asks } : {})
      };
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

function isAsks(data: unknown): data is IAsks {
  return (
    isObject(data) &&
    [data.request_hash, data.source_hash, data.role].every(value => typeof value === 'string') &&
    (data.source_cell === null || typeof data.source_cell === 'string')
  );
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
