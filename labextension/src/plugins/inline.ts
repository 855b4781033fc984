/** Ghost text in JupyterLab's inline completer, and the commands that take a part of it. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import type { CodeEditor } from '@jupyterlab/codeeditor';
import { ICompletionProviderManager } from '@jupyterlab/completer';
import { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { copilotIcon } from '../icons';
import { InlineProvider, firstLine, firstWord } from '../inline';
import { CommandIDs, ICopilot } from '../tokens';

const SETTINGS = '@jupyterlab/completer-extension:inline-completer';

export const inline: JupyterFrontEndPlugin<void> = {
  id: 'nbcopilot:inline',
  description: 'Suggestions at the cursor, from the model on this machine.',
  autoStart: true,
  requires: [ICopilot, INotebookTracker, ICompletionProviderManager],
  optional: [ISettingRegistry, ICommandPalette, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    { client }: ICopilot,
    tracker: INotebookTracker,
    manager: ICompletionProviderManager,
    registry: ISettingRegistry | null,
    palette: ICommandPalette | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('nbcopilot');
    const provider = new InlineProvider(
      client,
      context => (context.widget instanceof NotebookPanel ? context.widget : null),
      trans,
      copilotIcon
    );
    manager.registerInlineProvider(provider);

    app.commands.addCommand(CommandIDs.toggleInline, {
      label: trans.__('Suggest Code while Typing'),
      isToggled: () => provider.settings.enabled,
      isEnabled: () => registry !== null,
      execute: async () => {
        const loaded = await registry!.load(SETTINGS);
        const providers = { ...(loaded.composite.providers as Record<string, object> | undefined) };
        const own = { ...provider.settings, ...providers[provider.identifier], enabled: !provider.settings.enabled };
        await loaded.set('providers', { ...providers, [provider.identifier]: own } as never);
        app.commands.notifyCommandChanged(CommandIDs.toggleInline);
      }
    });
    palette?.addItem({ command: CommandIDs.toggleInline, category: 'nbcopilot' });

    const addPart = (id: string, label: string, part: (text: string) => string): void => {
      app.commands.addCommand(id, {
        label,
        isEnabled: () => ghostText(tracker) !== '',
        execute: () => {
          const editor = tracker.activeCell?.editor;
          const text = part(ghostText(tracker));
          if (editor && text) {
            type(editor, text);
          }
        }
      });
      palette?.addItem({ command: id, category: 'nbcopilot' });
    };
    addPart(CommandIDs.acceptWord, trans.__('Accept the Next Word of the Suggestion'), firstWord);
    addPart(CommandIDs.acceptLine, trans.__('Accept the Next Line of the Suggestion'), firstLine);
  }
};

/** The suggestion that the active cell shows, "" when it shows none. */
function ghostText(tracker: INotebookTracker): string {
  return tracker.activeCell?.node.querySelector('.jp-GhostText')?.textContent ?? '';
}

/** Insert as if it was typed: the rest of the suggestion stays. */
function type(editor: CodeEditor.IEditor, text: string): void {
  const offset = editor.getOffsetAt(editor.getCursorPosition());
  editor.model.sharedModel.updateSource(offset, offset, text);
  const position = editor.getPositionAt(offset + text.length);
  if (position) {
    editor.setCursorPosition(position);
  }
}
