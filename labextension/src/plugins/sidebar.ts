/** The sidebar in the right area, and the line in the status bar. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ILayoutRestorer } from '@jupyterlab/application';
import { IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { copilotIcon } from '../icons';
import { CommandIDs, ICopilot, SIDEBAR_ID } from '../tokens';
import type { Highlight } from '../views/code';
import { Sidebar } from '../views/sidebar';
import { StatusItem } from '../views/status';

export const sidebar: JupyterFrontEndPlugin<void> = {
  id: 'nbcopilot:sidebar',
  description: 'The sidebar of nbcopilot and its line in the status bar.',
  autoStart: true,
  requires: [ICopilot],
  optional: [IEditorLanguageRegistry, ILayoutRestorer, IStatusBar, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    { model }: ICopilot,
    languages: IEditorLanguageRegistry | null,
    restorer: ILayoutRestorer | null,
    statusBar: IStatusBar | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('nbcopilot');
    const highlight: Highlight | null =
      languages && ((code, language, into) => languages.highlight(code, languages.findBest(language), into));
    const openSettings = (): void => void app.commands.execute(CommandIDs.settings);
    const widget = new Sidebar(model, trans, highlight, openSettings);
    widget.id = SIDEBAR_ID;
    widget.title.icon = copilotIcon;
    widget.title.caption = trans.__('nbcopilot: generate, explain, test, fix, document');
    widget.node.setAttribute('role', 'region');
    widget.node.setAttribute('aria-label', 'nbcopilot');
    app.shell.add(widget, 'right', { rank: 900, type: 'nbcopilot' });
    restorer?.add(widget, SIDEBAR_ID);

    app.commands.addCommand(CommandIDs.open, {
      label: trans.__('Show nbcopilot'),
      caption: trans.__('Open the sidebar and put the cursor into its box'),
      icon: copilotIcon,
      execute: async () => {
        // Notebook 7 keeps its right area closed until it is told.
        if (!widget.isVisible && app.commands.hasCommand('application:toggle-panel') && !('leftCollapsed' in app.shell)) {
          (app.shell as { expandRight?: (id: string) => void }).expandRight?.(SIDEBAR_ID);
        }
        app.shell.activateById(SIDEBAR_ID);
        await widget.renderPromise;
        widget.focus();
      }
    });

    if (statusBar) {
      const item = new StatusItem(model, trans, () => void app.commands.execute(CommandIDs.open));
      statusBar.registerStatusItem('nbcopilot:status', { item, align: 'right', rank: 50 });
    }
    void app.restored.then(() => model.refresh());
  }
};
