/** The open notebooks as the sidebar needs them: what is asked about, what is there, where cells go. */

import type { Cell } from '@jupyterlab/cells';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { ISharedNotebook } from '@jupyter/ydoc';
import { Signal } from '@lumino/signaling';

import * as edits from './edits';
import { NOTHING_LIVE, hasFailed, languageOf, lockOf, readLive, selectedCode, selectedText, snapshot, target } from './snapshot';
import type { IApplied, IEdit, INotebookData, IRefused, ITarget, TaskKind } from './wire';
import { refused } from './wire';

/** What the next request would be about. */
export interface ISubject {
  path: string;
  name: string;
  cellId: string | null;
  /** "3" for a cell that ran, else null. */
  executed: string | null;
  /** Place of the cell in the notebook, from 1. */
  number: number;
  cellType: string;
  cells: number;
  selectedLines: number;
  kernel: string;
  kernelStatus: string;
  language: string;
  readOnly: boolean;
  /** Several cells are selected, and code is among them. */
  severalCode: boolean;
  /** A cell of the notebook shows an error that is not meant. */
  hasFailed: boolean;
  /** Why the cell may not be changed; "" when it may. */
  locked: string;
}

export interface IReading {
  target: ITarget;
  notebook: INotebookData;
  /** Sources by cell id, for diffs. */
  sources: Record<string, string>;
}

export interface IHost {
  readonly changed: Signal<IHost, void>;
  subject(): ISubject | null;
  read(kind: TaskKind): Promise<IReading | null>;
  /** One step for all; what is refused is left out of it. */
  write(path: string, edits: IEdit[]): (IApplied | IRefused)[];
  undo(path: string, group: string, force: boolean): IApplied | IRefused;
  /** The source of a cell now; null when it is gone. */
  source(path: string, cellId: string): string | null;
  /** "[3]" for a cell that ran, "#5" for one that did not; "" when it is gone. */
  label(path: string, cellId: string | null): string;
  reveal(path: string, cellId: string): void;
  /** Give the keyboard back to the notebook. */
  focus(): void;
}

export class Host implements IHost {
  readonly changed: Signal<IHost, void> = new Signal<IHost, void>(this);

  constructor(private readonly tracker: INotebookTracker) {
    const emit = (): void => this.changed.emit();
    tracker.currentChanged.connect(emit);
    tracker.activeCellChanged.connect(emit);
    tracker.selectionChanged.connect(emit);
    tracker.widgetAdded.connect((_, panel) => {
      panel.sessionContext.statusChanged.connect(emit);
      panel.sessionContext.kernelChanged.connect(emit);
      panel.disposed.connect(emit);
    });
    tracker.activeCellChanged.connect((_, cell) => this.watchSelection(cell));
  }

  subject(): ISubject | null {
    const panel = this.tracker.currentWidget;
    if (!panel || panel.isDisposed) {
      return null;
    }
    const cell = panel.content.activeCell;
    const selected = selectedText(panel);
    const kernel = panel.sessionContext.session?.kernel;
    return {
      path: panel.context.path,
      name: panel.context.path.split('/').pop() ?? '',
      cellId: cell?.model.id ?? null,
      executed: executionCount(cell),
      number: panel.content.activeCellIndex + 1,
      cellType: cell?.model.type ?? '',
      cells: panel.content.widgets.length,
      selectedLines: selected ? selected.split('\n').length : 0,
      kernel: panel.sessionContext.kernelDisplayName,
      kernelStatus: kernel ? kernel.status : 'none',
      language: languageOf(panel),
      readOnly: panel.content.model?.readOnly ?? false,
      severalCode: selectedCode(panel),
      hasFailed: hasFailed(panel),
      locked: cell ? lockOf(cell.model.sharedModel) : ''
    };
  }

  async read(kind: TaskKind): Promise<IReading | null> {
    const panel = this.tracker.currentWidget;
    if (!panel) {
      return null;
    }
    await panel.context.ready;
    const asked = target(panel, kind); // before anything is awaited: the user goes on clicking
    const language = languageOf(panel);
    const live = await readLive(panel.sessionContext.session?.kernel, language).catch(() => NOTHING_LIVE);
    const notebook = snapshot(panel, live);
    const sources = Object.fromEntries(notebook.cells.map(cell => [cell.id, cell.source]));
    return { target: asked, notebook: { ...notebook, cursor: asked.position }, sources };
  }

  write(path: string, all: IEdit[]): (IApplied | IRefused)[] {
    const panel = this.panel(path);
    const shared = panel?.content.model?.sharedModel;
    if (!panel || !shared) {
      return all.map(edit => refused(edit.group, 'failed', [], `${path} is not open any more`));
    }
    return edits.applyAll(shared, all, panel.content.model?.readOnly);
  }

  undo(path: string, group: string, force: boolean): IApplied | IRefused {
    const panel = this.panel(path);
    const shared = panel?.content.model?.sharedModel;
    if (!panel || !shared) {
      return refused(group, 'failed', [], `${path} is not open any more`);
    }
    return edits.undo(shared, group, force, panel.content.model?.readOnly);
  }

  /** The latest request that has cells in the current notebook. */
  lastGroup(): { path: string; group: string } | null {
    const panel = this.tracker.currentWidget;
    const shared = panel?.content.model?.sharedModel;
    const group = shared ? edits.groups(shared as ISharedNotebook).pop() : undefined;
    return panel && group !== undefined ? { path: panel.context.path, group } : null;
  }

  source(path: string, cellId: string): string | null {
    return this.cell(path, cellId)?.model.sharedModel.getSource() ?? null;
  }

  label(path: string, cellId: string | null): string {
    const cell = cellId === null ? undefined : this.cell(path, cellId);
    if (!cell) {
      return '';
    }
    const count = executionCount(cell);
    const index = this.panel(path)?.content.widgets.indexOf(cell) ?? 0;
    return count === null ? `#${index + 1}` : `[${count}]`;
  }

  reveal(path: string, cellId: string): void {
    const panel = this.panel(path);
    const index = panel?.content.widgets.findIndex(cell => cell.model.id === cellId) ?? -1;
    if (panel && index >= 0) {
      panel.content.activeCellIndex = index;
      void panel.content.scrollToItem(index, 'smart').catch(() => undefined);
    }
  }

  focus(): void {
    this.tracker.currentWidget?.activate();
  }

  private panel(path: string): NotebookPanel | undefined {
    return this.tracker.find(panel => panel.context.path === path && !panel.isDisposed);
  }

  private cell(path: string, cellId: string): Cell | undefined {
    return this.panel(path)?.content.widgets.find(cell => cell.model.id === cellId);
  }

  private watchSelection(cell: Cell | null): void {
    this.unwatch?.();
    this.unwatch = null;
    const editor = cell?.editor;
    if (editor) {
      const emit = (): void => this.changed.emit();
      editor.model.selections.changed.connect(emit);
      this.unwatch = () => editor.model.selections.changed.disconnect(emit);
    }
  }

  private unwatch: (() => void) | null = null;
}

function executionCount(cell: Cell | null): string | null {
  const count = cell?.model.sharedModel.cell_type === 'code' ? cell.model.sharedModel.toJSON().execution_count : null;
  return typeof count === 'number' ? String(count) : null;
}
