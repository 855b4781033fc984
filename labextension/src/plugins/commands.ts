/** Commands, palette, context menus, help entry, the Fix button on an error: wiring, no logic. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import type { CodeCell } from '@jupyterlab/cells';
import { ILauncher } from '@jupyterlab/launcher';
import { IMainMenu } from '@jupyterlab/mainmenu';
import { INotebookTracker } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import type { LabIcon } from '@jupyterlab/ui-components';

import { isRunning } from '../answer';
import { unfit } from '../fitness';
import { copilotIcon, explainIcon, fixIcon, testIcon } from '../icons';
import { CommandIDs, ICopilot, PLUGIN_ID } from '../tokens';
import type { TaskKind } from '../wire';

export const commands: JupyterFrontEndPlugin<void> = {
  id: 'nbcopilot:commands',
  description: 'Commands of nbcopilot, where people look for them.',
  autoStart: true,
  requires: [ICopilot, INotebookTracker],
  optional: [ICommandPalette, IMainMenu, ILauncher, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    copilot: ICopilot,
    tracker: INotebookTracker,
    palette: ICommandPalette | null,
    menu: IMainMenu | null,
    launcher: ILauncher | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('nbcopilot');
    const ids = [...addActions(app, copilot, trans), ...addDecisions(app, copilot, trans)];
    for (const command of [CommandIDs.open, ...ids]) {
      palette?.addItem({ command, category: 'nbcopilot' });
    }
    const group = [CommandIDs.open, CommandIDs.settings].map(command => ({ command }));
    menu?.helpMenu.addGroup(group, 20);
    launcher?.add({ command: CommandIDs.open, category: trans.__('Other'), rank: 90 });
    addFixButtons(app, tracker, trans);
    copilot.model.changed.connect(() => {
      for (const command of [CommandIDs.stop, CommandIDs.acceptAll, CommandIDs.rejectAll]) {
        app.commands.notifyCommandChanged(command);
      }
    });
    tracker.activeCellChanged.connect(() => ids.forEach(id => app.commands.notifyCommandChanged(id)));
    tracker.currentChanged.connect(() => ids.forEach(id => app.commands.notifyCommandChanged(id)));
  }
};

function addActions(app: JupyterFrontEnd, { model, host }: ICopilot, trans: TranslationBundle): string[] {
  const actions: [string, TaskKind, LabIcon, string, string][] = [
    [CommandIDs.explain, 'explain', explainIcon, trans.__('Explain Cell'), trans.__('Say in words what the selected code does')],
    [CommandIDs.test, 'testgen', testIcon, trans.__('Write Tests for Cell'), trans.__('Write tests for the selected code, and run them')],
    [CommandIDs.fix, 'fix', fixIcon, trans.__('Fix Cell'), trans.__('Mend the selected cell, or the last one that failed')],
    [CommandIDs.document, 'document', copilotIcon, trans.__('Document Notebook'), trans.__('Write a text above every cell that has none')]
  ];
  const isEnabled = (): boolean => host.subject() !== null;
  for (const [id, kind, icon, label, caption] of actions) {
    const execute = async (): Promise<void> => {
      await app.commands.execute(CommandIDs.open);
      await model.ask(kind, '');
    };
    const isFit = (): boolean => unfit(kind, host.subject(), trans, model.status) === null;
    app.commands.addCommand(id, {
      label,
      icon,
      execute,
      isEnabled: isFit,
      caption: () => unfit(kind, host.subject(), trans, model.status) ?? caption
    });
  }
  app.commands.addCommand(CommandIDs.generate, {
    label: trans.__('Generate Cell …'),
    caption: trans.__('Write what the next cell should do'),
    icon: copilotIcon,
    isEnabled,
    execute: async args => {
      await app.commands.execute(CommandIDs.open);
      if (typeof args.instruction === 'string') {
        await model.ask('generate', args.instruction);
      }
    }
  });
  return [CommandIDs.generate, ...actions.map(([id]) => id)];
}

function addDecisions(app: JupyterFrontEnd, { model, host }: ICopilot, trans: TranslationBundle): string[] {
  const latest = (): string | undefined => model.shown[0]?.key;
  app.commands.addCommand(CommandIDs.stop, {
    label: trans.__('Stop Answering'),
    isEnabled: () => model.answers.some(isRunning),
    execute: () => model.stop()
  });
  app.commands.addCommand(CommandIDs.acceptAll, {
    label: trans.__('Accept the Answer'),
    isEnabled: () => model.hasOpenCells(),
    execute: async () => {
      const key = latest();
      if (key !== undefined) {
        await model.acceptAll(key);
      }
    }
  });
  app.commands.addCommand(CommandIDs.rejectAll, {
    label: trans.__('Reject the Answer'),
    isEnabled: () => model.hasOpenCells(),
    execute: () => {
      const key = latest();
      if (key !== undefined) {
        model.rejectAll(key);
      }
    }
  });
  app.commands.addCommand(CommandIDs.undo, {
    label: trans.__('Undo the Latest Request'),
    caption: trans.__('Take out the cells of the latest request and put back what they replaced'),
    isEnabled: () => host.lastGroup() !== null,
    execute: () => {
      const last = host.lastGroup();
      return last ? model.undo(last.path, last.group) : undefined;
    }
  });
  app.commands.addCommand(CommandIDs.settings, {
    label: trans.__('nbcopilot Settings'),
    isVisible: () => app.commands.hasCommand('settingeditor:open'),
    execute: () => app.commands.execute('settingeditor:open', { query: 'nbcopilot', plugin: PLUGIN_ID })
  });
  return [CommandIDs.stop, CommandIDs.acceptAll, CommandIDs.rejectAll, CommandIDs.undo, CommandIDs.settings];
}

/** A Fix button on every error output, there as long as the error is. */
function addFixButtons(app: JupyterFrontEnd, tracker: INotebookTracker, trans: TranslationBundle): void {
  const watched = new WeakSet<object>();
  const update = (cell: CodeCell): void => {
    const outputs = cell.model.outputs;
    const failed = Array.from({ length: outputs.length }, (_, i) => outputs.get(i)).some(o => o.type === 'error');
    const old = cell.node.querySelector(':scope > .nbc-FixButton');
    if (!failed) {
      old?.remove();
    } else if (!old) {
      const button = document.createElement('button');
      button.className = 'nbc-FixButton jp-mod-styled';
      button.textContent = trans.__('Fix');
      button.title = trans.__('Fix this error with nbcopilot');
      button.addEventListener('click', () => {
        const index = tracker.currentWidget?.content.widgets.indexOf(cell) ?? -1;
        if (tracker.currentWidget && index >= 0) {
          tracker.currentWidget.content.deselectAll();
          tracker.currentWidget.content.activeCellIndex = index;
        }
        void app.commands.execute(CommandIDs.fix);
      });
      cell.outputArea.node.closest('.jp-Cell-outputWrapper')?.after(button);
    }
  };
  tracker.widgetAdded.connect((_, panel) => {
    const watch = (): void => {
      for (const cell of panel.content.widgets) {
        if (cell.model.type !== 'code' || watched.has(cell)) {
          continue;
        }
        watched.add(cell);
        const code = cell as CodeCell;
        code.model.outputs.changed.connect(() => update(code));
        void code.ready.then(() => update(code));
      }
    };
    void panel.context.ready.then(() => {
      watch();
      panel.content.model?.cells.changed.connect(() => requestAnimationFrame(watch));
    });
  });
}
