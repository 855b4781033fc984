/** Cells from the kernel: the comm target `nbcopilot:cells` on every notebook's kernel. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Dialog, showDialog } from '@jupyterlab/apputils';
import type { NotebookPanel } from '@jupyterlab/notebook';
import { INotebookTracker } from '@jupyterlab/notebook';
import type { Kernel, KernelMessage } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { apply, undo } from '../edits';
import { COMM_TARGET } from '../tokens';
import type { FrontEndMessage, IApplied, IEdit, IRefused } from '../wire';
import { SCHEMA, readKernelMessage, refused } from '../wire';
import { VERSION } from '../version';

export const cells: JupyterFrontEndPlugin<void> = {
  id: 'nbcopilot:cells',
  description: 'Writes the cells that a kernel sends, in one undo step.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ITranslator],
  activate: (app: JupyterFrontEnd, tracker: INotebookTracker, translator: ITranslator | null) => {
    const trans = (translator ?? nullTranslator).load('nbcopilot');
    const attach = (panel: NotebookPanel): void => {
      const onOpen = (comm: Kernel.IComm, message: KernelMessage.ICommOpenMsg): void => {
        void answer(app.name, panel, comm, message, trans);
      };
      panel.sessionContext.session?.kernel?.registerCommTarget(COMM_TARGET, onOpen);
      panel.sessionContext.kernelChanged.connect((_, change) => {
        change.oldValue?.removeCommTarget(COMM_TARGET, onOpen);
        change.newValue?.registerCommTarget(COMM_TARGET, onOpen);
      });
    };
    tracker.forEach(attach);
    tracker.widgetAdded.connect((_, panel) => attach(panel));
  }
};

/** Do what the kernel asks and tell it. Not awaited: a comm callback that waits holds up every later message. */
async function answer(
  frontend: string,
  panel: NotebookPanel,
  comm: Kernel.IComm,
  message: KernelMessage.ICommOpenMsg,
  trans: TranslationBundle
): Promise<void> {
  const kernel = panel.sessionContext.session?.kernel;
  // Every tab on this kernel hears it; the one that asked for the execution acts.
  const asker = (message.parent_header as { session?: string }).session;
  if (!kernel || asker !== kernel.clientId) {
    return;
  }
  const asked = readKernelMessage(message.content.data);
  if (asked.type === 'hello') {
    return send(comm, { schema: SCHEMA, type: 'ready', frontend, version: VERSION });
  }
  if (asked.type === 'refused') {
    return send(comm, asked);
  }
  const shared = panel.content.model?.sharedModel;
  if (!shared || panel.isDisposed) {
    return send(comm, refused(asked.group, 'failed', [], trans.__('the notebook is closed')));
  }
  const readOnly = panel.content.model?.readOnly ?? false;
  if (asked.type === 'undo') {
    return send(comm, undo(shared, asked.group, asked.force, readOnly));
  }
  const active = panel.content.activeCell?.model.id;
  let outcome = apply(shared, asked, readOnly);
  if (outcome.type === 'refused' && outcome.reason === 'edited') {
    outcome = (await mayOverwrite(panel, outcome, trans)) ? apply(shared, { ...asked, overwrite: true }) : outcome;
  }
  keepActive(panel, active, asked, outcome);
  send(comm, outcome);
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

async function mayOverwrite(panel: NotebookPanel, outcome: IRefused, trans: TranslationBundle): Promise<boolean> {
  const numbers = outcome.cells.map(id => panel.content.widgets.findIndex(cell => cell.model.id === id) + 1);
  const result = await showDialog({
    title: trans.__('You have edited a generated cell'),
    body: trans._n(
      'Cell %2 was written by an earlier run and you have changed it since. Replace it by the new answer?',
      'Cells %2 were written by an earlier run and you have changed them since. Replace them by the new answer?',
      numbers.length,
      numbers.map(number => `#${number}`).join(', ')
    ),
    buttons: [Dialog.cancelButton({ label: trans.__('Keep mine') }), Dialog.warnButton({ label: trans.__('Replace') })]
  });
  return result.button.accept;
}

/** The cell that was active stays active: the user may be typing in it. */
function keepActive(panel: NotebookPanel, active: string | undefined, edit: IEdit, outcome: IApplied | IRefused): void {
  const index = panel.content.widgets.findIndex(cell => cell.model.id === active);
  if (outcome.type === 'applied' && index >= 0 && edit.cells.length) {
    panel.content.activeCellIndex = index;
  }
}
