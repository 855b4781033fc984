/** Whether an action makes sense for what is selected: said on the button, before anybody waits for it. */

import type { TranslationBundle } from '@jupyterlab/translation';

import type { ISubject } from './notebooks';
import type { IStatus, TaskKind } from './wire';

/** Why `kind` cannot be asked for now; null when it can. */
export function unfit(
  kind: TaskKind,
  subject: ISubject | null,
  trans: Pick<TranslationBundle, '__'>,
  status: Pick<IStatus, 'off' | 'locked'> | null = null
): string | null {
  if (status?.off?.some(name => name === kind || name === 'sidebar')) {
    const lock = status.locked.find(setting => setting.name === 'off');
    return lock ? trans.__('Switched off by %1', lock.by) : trans.__('Switched off in the settings');
  }
  if (!subject) {
    return trans.__('No notebook is open');
  }
  if (kind === 'generate' || kind === 'document') {
    return null;
  }
  if (kind === 'fix' && subject.hasFailed) {
    return null; // the cell that failed is meant, whichever is selected
  }
  if (subject.cellType !== 'code' && !subject.severalCode) {
    return trans.__('The selected cell is %1: this needs a cell with code', subject.cellType || trans.__('empty'));
  }
  if (kind === 'fix' && subject.locked) {
    return trans.__('The selected cell is locked (%1)', subject.locked);
  }
  return null;
}
