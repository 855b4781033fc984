/** The shared state: client, host, model; settings and instruction history. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Dialog, showDialog } from '@jupyterlab/apputils';
import { URLExt } from '@jupyterlab/coreutils';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ServerConnection } from '@jupyterlab/services';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { Client } from '../client';
import { Host } from '../notebooks';
import { SidebarModel } from '../model';
import { ICopilot, PLUGIN_ID } from '../tokens';
import { truth } from '../views/outcome';

const HISTORY_KEY = 'nbcopilot:history';

export const copilot: JupyterFrontEndPlugin<ICopilot> = {
  id: PLUGIN_ID,
  description: 'The state of nbcopilot: what was asked and answered, and the way to the server.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ISettingRegistry, ITranslator],
  provides: ICopilot,
  activate: (
    app: JupyterFrontEnd,
    tracker: INotebookTracker,
    registry: ISettingRegistry | null,
    translator: ITranslator | null
  ): ICopilot => {
    const trans = (translator ?? nullTranslator).load('nbcopilot');
    const settings = app.serviceManager.serverSettings;
    const client = new Client((path, init) =>
      ServerConnection.makeRequest(URLExt.join(settings.baseUrl, 'nbcopilot', path), init, settings)
    );
    const host = new Host(tracker);
    const ask = async (title: string, body: string, yes: string): Promise<boolean> => {
      // Nothing is lost by a key that was meant for a cell: the focus is on the button that changes nothing.
      const buttons = [Dialog.cancelButton(), Dialog.warnButton({ label: yes })];
      return (await showDialog({ title, body, buttons, defaultButton: 0 })).button.accept;
    };
    const save = (history: string[]): void => localStorage.setItem(HISTORY_KEY, JSON.stringify(history));
    const model = new SidebarModel(host, client, ask, trans, save, candidate => truth(candidate, trans));
    model.history = readHistory();
    void registry?.load(PLUGIN_ID).then(loaded => {
      const read = (): void => {
        const { candidates, insertAtOnce } = loaded.composite;
        model.setOptions({ candidates: Number(candidates), insertAtOnce: insertAtOnce === true });
      };
      read();
      loaded.changed.connect(read);
    });
    return { client, host, model };
  }
};

function readHistory(): string[] {
  try {
    const saved: unknown = JSON.parse(localStorage.getItem(HISTORY_KEY) ?? '[]');
    return Array.isArray(saved) ? saved.filter(item => typeof item === 'string') : [];
  } catch {
    return [];
  }
}
