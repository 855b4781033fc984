/** Names that the plugins and JupyterLab know each other by. */

import { Token } from '@lumino/coreutils';

import type { Client } from './client';
import type { Host } from './notebooks';
import type { SidebarModel } from './model';

/** What the plugins share. */
export interface ICopilot {
  readonly client: Client;
  readonly host: Host;
  readonly model: SidebarModel;
}

export const ICopilot = new Token<ICopilot>('nbcopilot:ICopilot', 'The sidebar of nbcopilot and its server.');

export const PLUGIN_ID = 'nbcopilot:plugin';
export const COMM_TARGET = 'nbcopilot:cells';
export const SIDEBAR_ID = 'nbcopilot-sidebar';

export namespace CommandIDs {
  export const open = 'nbcopilot:open';
  export const generate = 'nbcopilot:generate';
  export const explain = 'nbcopilot:explain';
  export const test = 'nbcopilot:test';
  export const fix = 'nbcopilot:fix';
  export const document = 'nbcopilot:document';
  export const stop = 'nbcopilot:stop';
  export const acceptAll = 'nbcopilot:accept-all';
  export const rejectAll = 'nbcopilot:reject-all';
  export const undo = 'nbcopilot:undo';
  export const settings = 'nbcopilot:settings';
  export const toggleInline = 'nbcopilot:toggle-inline';
  export const acceptWord = 'nbcopilot:accept-word';
  export const acceptLine = 'nbcopilot:accept-line';
}
