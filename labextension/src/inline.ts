/** Ghost text: streams what stands at the cursor, with the other cells as context; only the latest request lives. */

import type {
  CompletionHandler,
  IInlineCompletionContext,
  IInlineCompletionItem,
  IInlineCompletionList,
  IInlineCompletionProvider
} from '@jupyterlab/completer';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { LabIcon } from '@jupyterlab/ui-components';

import type { Client } from './client';
import { languageOf } from './snapshot';
import type { ICompleteRequest } from './wire';
import { SCHEMA } from './wire';

export interface IInlineSettings {
  enabled: boolean;
  timeout: number;
  debouncerDelay: number;
  autoFillInMiddle: boolean;
  maxTokens: number;
  markdown: boolean;
  crossCell: boolean;
}

export const DEFAULTS: IInlineSettings = {
  enabled: true,
  timeout: 10000,
  debouncerDelay: 300,
  autoFillInMiddle: true,
  maxTokens: 64,
  markdown: false,
  crossCell: true
};

/** The notebook that an editor belongs to; null for a file or a console. */
export type FindNotebook = (context: IInlineCompletionContext) => NotebookPanel | null;

export class InlineProvider implements IInlineCompletionProvider<IInlineCompletionItem> {
  readonly identifier = 'nbcopilot:inline';
  settings = DEFAULTS;

  private readonly waiting = new Map<string, ICompleteRequest>();
  private current: AbortController | null = null;
  private counter = 0;

  constructor(
    private readonly client: Client,
    private readonly findNotebook: FindNotebook,
    private readonly trans: TranslationBundle,
    readonly icon: LabIcon.ILabIcon | undefined,
    private readonly onError: (message: string) => void = () => undefined
  ) {}

  get name(): string {
    return 'nbcopilot';
  }

  get schema(): never {
    return settingsSchema(this.trans) as never;
  }

  configure(settings: Record<string, unknown>): void {
    this.settings = { ...DEFAULTS, ...settings };
    if (!this.settings.enabled) {
      this.cancel();
    }
  }

  /** Abort the request under way: JupyterLab never does, and the engine would go on for nobody. */
  cancel(): void {
    this.current?.abort();
    this.current = null;
    this.waiting.clear();
  }

  async fetch(
    request: CompletionHandler.IRequest,
    context: IInlineCompletionContext
  ): Promise<IInlineCompletionList<IInlineCompletionItem>> {
    this.cancel();
    const asked = this.request(request, context);
    if (!asked) {
      return { items: [] };
    }
    const token = `nbcopilot-${this.counter++}`;
    this.waiting.set(token, asked);
    return { items: [{ insertText: '', isIncomplete: true, token }] };
  }

  async *stream(token: string): AsyncGenerator<{ response: IInlineCompletionItem }> {
    const request = this.waiting.get(token);
    if (!request) {
      return;
    }
    this.waiting.delete(token);
    const abort = new AbortController();
    this.current = abort;
    const timer = setTimeout(() => abort.abort(), this.settings.timeout);
    let insertText = '';
    try {
      for await (const event of this.client.complete(request, abort.signal)) {
        if (event.type === 'text') {
          insertText = event.text;
          yield { response: { insertText, isIncomplete: true, token } };
        } else if (event.type === 'error') {
          this.onError(event.message);
        }
      }
    } catch (error) {
      if (!abort.signal.aborted) {
        this.onError(error instanceof Error ? error.message : String(error));
      }
    } finally {
      clearTimeout(timer);
      abort.abort(); // the reader may have gone: let the server know
    }
    yield { response: { insertText, isIncomplete: false } };
  }

  private request(request: CompletionHandler.IRequest, context: IInlineCompletionContext): ICompleteRequest | null {
    const panel = this.findNotebook(context);
    const cell = panel?.content.activeCell ?? null;
    if (cell && cell.model.type !== 'code' && !this.settings.markdown) {
      return null;
    }
    const prefix = request.text.slice(0, request.offset);
    if (!prefix.trim() && !panel) {
      return null;
    }
    return {
      schema: SCHEMA,
      prefix,
      suffix: request.text.slice(request.offset),
      before: panel && this.settings.crossCell ? cellsAbove(panel) : [],
      language: panel ? languageOf(panel) : 'python',
      max_tokens: this.settings.maxTokens,
      budget_seconds: this.settings.timeout / 1000,
      client: cell?.model.id ?? this.identifier
    };
  }
}

/** Sources of the code cells above the active one, in document order. */
function cellsAbove(panel: NotebookPanel): string[] {
  return (panel.content.model?.sharedModel.cells ?? [])
    .slice(0, panel.content.activeCellIndex)
    .filter(cell => cell.cell_type === 'code' && cell.getSource().trim())
    .map(cell => cell.getSource());
}

function settingsSchema(trans: TranslationBundle): object {
  return {
    default: DEFAULTS,
    properties: {
      enabled: { title: trans.__('Enabled'), description: trans.__('Suggest code while you type.'), type: 'boolean' },
      debouncerDelay: {
        title: trans.__('Delay (milliseconds)'),
        description: trans.__('How long to wait after the last key before asking.'),
        type: 'number',
        minimum: 0
      },
      timeout: {
        title: trans.__('Timeout (milliseconds)'),
        description: trans.__('A suggestion that takes longer is given up.'),
        type: 'number',
        minimum: 100
      },
      autoFillInMiddle: {
        title: trans.__('Fill in the middle'),
        description: trans.__('Also suggest when text follows the cursor in the line.'),
        type: 'boolean'
      },
      maxTokens: {
        title: trans.__('Longest suggestion (tokens)'),
        description: trans.__('Shorter suggestions come sooner.'),
        type: 'number',
        minimum: 1,
        maximum: 512
      },
      crossCell: {
        title: trans.__('Use the other cells'),
        description: trans.__('Send the code of the other cells as context.'),
        type: 'boolean'
      },
      markdown: {
        title: trans.__('Also in text cells'),
        description: trans.__('Suggest in markdown cells too.'),
        type: 'boolean'
      }
    }
  };
}

/** The first word of a suggestion, with the blanks before it. */
export function firstWord(text: string): string {
  return /^\s*(?:\w+|[^\w\s]+)/.exec(text)?.[0] ?? text;
}

/** The suggestion up to the end of its first line that is not empty. */
export function firstLine(text: string): string {
  return /^\n*[^\n]*/.exec(text)?.[0] ?? text;
}
