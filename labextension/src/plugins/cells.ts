/** Cells from the kernel: the comm target `nbcopilot:cells` on every notebook's kernel. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import type { CodeCell } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';
import { INotebookTracker } from '@jupyterlab/notebook';
import type { Kernel, KernelMessage } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { answerOf, apply, undo, writtenBefore } from '../edits';
import { COMM_TARGET } from '../tokens';
import type { FrontEndMessage, IApplied, IAsks, IBegin, IEdit, IRefused } from '../wire';
import { readKernelMessage, ready, refused, stop } from '../wire';
import { VERSION } from '../version';

export const cells: JupyterFrontEndPlugin<void> = {
  id: 'nbcopilot:cells',
  description: 'Writes the cells that a kernel sends, in one undo step.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ITranslator],
  activate: (app: JupyterFrontEnd, tracker: INotebookTracker, translator: ITranslator | null) => {
    const trans = (translator ?? nullTranslator).load('nbcopilot');
    tracker.forEach(panel => new Cells(app.name, panel, trans));
    tracker.widgetAdded.connect((_, panel) => void new Cells(app.name, panel, trans));
  }
};

/** A request that runs in the kernel beside the cells: the cell that asked, and the button that stops it. */
interface IRunning {
  cellId: string | null;
  button: HTMLElement;
}

/** What a kernel that is about to go says before; what it was answering is lost. */
const GOING = ['restarting', 'autorestarting', 'terminating', 'dead'];

/** The cells of one notebook, as its kernel writes them. */
class Cells {
  private readonly running = new Map<string, IRunning>();

  constructor(
    private readonly frontend: string,
    private readonly panel: NotebookPanel,
    private readonly trans: TranslationBundle
  ) {
    const { sessionContext } = panel;
    const onOpen = (comm: Kernel.IComm, message: KernelMessage.ICommOpenMsg): void => {
      // Every tab on this kernel hears it; the one that asked for the execution acts.
      const asker = (message.parent_header as { session?: string }).session;
      if (asker === this.kernel?.clientId) {
        this.listen(comm, true);
        void this.answer(comm, message.content.data, true);
      }
    };
    const attach = (kernel: Kernel.IKernelConnection | null | undefined): void => {
      kernel?.registerCommTarget(COMM_TARGET, onOpen);
      void this.offer(kernel).catch(() => undefined);
    };
    attach(this.kernel);
    sessionContext.kernelChanged.connect((_, change) => {
      change.oldValue?.removeCommTarget(COMM_TARGET, onOpen);
      this.lose();
      attach(change.newValue);
    });
    sessionContext.statusChanged.connect((_, status) => {
      if (GOING.includes(status)) {
        this.lose();
      }
    });
  }

  private get kernel(): Kernel.IKernelConnection | null | undefined {
    return this.panel.sessionContext.session?.kernel;
  }

  /** Requests that run since before this page was there: their cells may come here. */
  private async offer(kernel: Kernel.IKernelConnection | null | undefined): Promise<void> {
    await this.panel.context.ready;
    const reply = await kernel?.requestCommInfo({ target_name: COMM_TARGET });
    const open = reply?.content.status === 'ok' ? Object.keys(reply.content.comms) : [];
    for (const id of open) {
      if (kernel && !kernel.isDisposed && !kernel.hasComm(id)) {
        const comm = kernel.createComm(COMM_TARGET, id);
        this.listen(comm, false);
        send(comm, ready(this.frontend, VERSION, kernel.clientId));
      }
    }
  }

  /** `mine`: this page asked for the execution that the comm belongs to; else only what is addressed to it counts. */
  private listen(comm: Kernel.IComm, mine: boolean): void {
    comm.onMsg = message => void this.answer(comm, message.content.data, mine);
  }

  /** Do what the kernel asks and tell it. Not awaited: a comm callback that waits holds up every later message. */
  private async answer(comm: Kernel.IComm, data: unknown, mine: boolean): Promise<void> {
    const { panel, trans } = this;
    const asked = readKernelMessage(data);
    switch (asked.type) {
      case 'hello':
        return send(comm, ready(this.frontend, VERSION));
      case 'begin':
        this.begin(comm, asked);
        return mine && asked.asks ? this.tell(comm, asked.group, asked.asks) : undefined;
      case 'output':
        return asked.client === this.kernel?.clientId ? this.show(asked.cell_id, asked.data) : undefined;
      case 'refused':
        return send(comm, asked);
    }
    const shared = panel.content.model?.sharedModel;
    const isAddressed = asked.type === 'edit' && asked.client !== undefined;
    if (isAddressed ? asked.client !== this.kernel?.clientId : !mine) {
      return;
    }
    if (!shared || panel.isDisposed) {
      return send(comm, refused(asked.group, 'failed', [], trans.__('the notebook is closed')));
    }
    const readOnly = panel.content.model?.readOnly ?? false;
    if (asked.type === 'undo') {
      return send(comm, undo(shared, asked.group, asked.force, readOnly));
    }
    const active = panel.content.activeCell?.model.id;
    // No dialog: the answer comes when it comes, and the user may be typing. What they edited stays, the kernel says so.
    // Of two pages on one shared notebook the second may be asked when the first was slow to answer.
    const outcome = writtenBefore(shared, asked) ?? apply(shared, asked, readOnly);
    keepActive(panel, active, asked, outcome);
    send(comm, outcome);
  }

  private tell(comm: Kernel.IComm, group: string, asks: IAsks): void {
    const shared = this.panel.content.model?.sharedModel;
    if (shared && !this.panel.isDisposed) {
      send(comm, answerOf(shared, group, asks));
    }
  }

  // ------------------------------------------------------------------ requests beside the cells

  /** Put a Stop button below the cell that asked, there until the request has ended. */
  private begin(comm: Kernel.IComm, { group, cell_id }: IBegin): void {
    if (this.running.has(group)) {
      return;
    }
    const button = document.createElement('button');
    button.className = 'nbc-StopButton jp-mod-styled';
    button.textContent = this.trans.__('Stop');
    button.title = this.trans.__('Stop the answer of nbcopilot at the next token');
    button.addEventListener('click', () => {
      button.disabled = true;
      send(comm, stop(group));
    });
    this.cell(cell_id)?.node.querySelector('.jp-Cell-outputWrapper')?.after(button);
    this.running.set(group, { cellId: cell_id, button });
    comm.onClose = () => this.end(group);
  }

  private end(group: string): void {
    this.running.get(group)?.button.remove();
    this.running.delete(group);
  }

  /** The kernel is gone with what it was answering: say so where the answer would have come. */
  private lose(): void {
    for (const [group, { cellId }] of [...this.running]) {
      const cell = this.cell(cellId);
      this.end(group);
      const text = this.trans.__('nbcopilot: the kernel went away before the answer was finished; run the cell again to ask again');
      cell?.model.outputs.add({ output_type: 'stream', name: 'stderr', text: `${text}\n` });
    }
  }

  private show(cellId: string | null, data: Record<string, string>): void {
    const outputs = this.cell(cellId)?.model.outputs;
    outputs?.clear();
    outputs?.add({ output_type: 'display_data', data, metadata: {} });
  }

  private cell(id: string | null): CodeCell | undefined {
    const cell = this.panel.isDisposed ? undefined : this.panel.content.widgets.find(widget => widget.model.id === id);
    return cell?.model.type === 'code' ? (cell as CodeCell) : undefined;
  }
}

function send(comm: Kernel.IComm, message: FrontEndMessage): void {
  // The answer may only go once the comm has its subshell, where there is one; half a second is plenty.
  const started = (comm as { subshellStarted?: Promise<void> }).subshellStarted;
  const soon = new Promise(resolve => setTimeout(resolve, 500));
  void Promise.race([started ?? Promise.resolve(), soon])
    .catch(() => undefined)
    .then(() => {
      if (!comm.isDisposed) {
        comm.send(message as never);
      }
    });
}

/** The cell that was active stays active: the user may be typing in it. */
function keepActive(panel: NotebookPanel, active: string | undefined, edit: IEdit, outcome: IApplied | IRefused): void {
  const index = panel.content.widgets.findIndex(cell => cell.model.id === active);
  if (outcome.type === 'applied' && index >= 0 && edit.cells.length) {
    panel.content.activeCellIndex = index;
  }
}
