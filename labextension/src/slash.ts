/** What may stand at the beginning of a request: "/fix", "/explain why the mean?". One table for the box and its suggestions. */

import type { TranslationBundle } from '@jupyterlab/translation';

import type { Mode, TaskKind } from './wire';

export interface ICommand {
  name: string;
  kind: TaskKind;
  /** What kind of answer it wants, where it says so. */
  mode?: Mode;
}

export const COMMANDS: readonly ICommand[] = [
  { name: 'explain', kind: 'explain' },
  { name: 'test', kind: 'testgen' },
  { name: 'fix', kind: 'fix' },
  { name: 'document', kind: 'document' },
  { name: 'ask', kind: 'generate', mode: 'words' },
  { name: 'code', kind: 'generate', mode: 'code' }
];

/** A request as it was typed: the command that it begins with (null: none; undefined: one that is not known) and the rest. */
export function parse(text: string): { command: ICommand | null | undefined; name: string; rest: string } {
  const found = /^\/([a-z]+)(?:\s+|$)/.exec(text.trim());
  if (!found) {
    return { command: null, name: '', rest: text.trim() };
  }
  return { command: COMMANDS.find(({ name }) => name === found[1]), name: found[1], rest: text.trim().slice(found[0].length) };
}

/** The commands that a text which is still being typed may become. */
export function suggestions(text: string): ICommand[] {
  const found = /^\/([a-z]*)$/.exec(text);
  return found ? COMMANDS.filter(({ name }) => name.startsWith(found[1])) : [];
}

export function commandWords(command: ICommand, trans: Pick<TranslationBundle, '__'>): string {
  switch (command.name) {
    case 'explain':
      return trans.__('say in words what the selected code does');
    case 'test':
      return trans.__('write tests for the selected code');
    case 'fix':
      return trans.__('mend the selected cell, or the last one that failed');
    case 'document':
      return trans.__('write texts for the whole notebook');
    case 'ask':
      return trans.__('answer in words');
    default:
      return trans.__('answer with code');
  }
}
