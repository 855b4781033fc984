/** Edits into a notebook: asks the user where the notebook has changed since the answer was made. */

import type { TranslationBundle } from '@jupyterlab/translation';

import type { IHost } from './notebooks';
import type { IApplied, IEdit, IRefused, Reason } from './wire';

/** Asks the user; resolves to false for "no". */
export type Ask = (title: string, body: string, yes: string) => Promise<boolean>;

export class Writer {
  constructor(
    private readonly host: Pick<IHost, 'write' | 'undo' | 'label'>,
    private readonly askUser: Ask,
    private readonly trans: Pick<TranslationBundle, '__'>
  ) {}

  /** One undo step for all, then again for each that the user lets overwrite. */
  async write(path: string, edits: IEdit[]): Promise<(IApplied | IRefused)[]> {
    const outcomes = this.host.write(path, edits);
    return Promise.all(outcomes.map((outcome, i) => this.askAgain(path, edits[i], outcome)));
  }

  /** Take the cells of a request out again; asks about those that the user edited. Whether they are out. */
  async undo(path: string, group: string): Promise<boolean> {
    const { trans } = this;
    const outcome = this.host.undo(path, group, false);
    if (outcome.type === 'refused' && outcome.reason === 'edited') {
      const body = trans.__('You have edited cell %1 since. Take it out all the same?', this.places(path, outcome));
      if (await this.askUser(trans.__('A generated cell has changed'), body, trans.__('Take it out'))) {
        return this.host.undo(path, group, true).type === 'applied';
      }
    }
    return outcome.type === 'applied';
  }

  /** What to do now that nothing was written; "" where the reason says it. */
  refusalHint(reason: Reason): string {
    switch (reason) {
      case 'no-cell':
        return this.trans.__('copy the answer, or ask again');
      case 'read-only':
        return this.trans.__('copy the answer, or save the notebook under another name');
      case 'failed':
        return this.trans.__('open the notebook again');
      default:
        return '';
    }
  }

  private async askAgain(path: string, edit: IEdit, outcome: IApplied | IRefused): Promise<IApplied | IRefused> {
    if (outcome.type === 'refused' && (outcome.reason === 'edited' || outcome.reason === 'conflict')) {
      const { trans } = this;
      const yes = edit.replaces.length ? trans.__('Overwrite it') : trans.__('Insert anyway');
      const body = trans.__('Cell %1 has changed since the answer was made.', this.places(path, outcome));
      if (await this.askUser(trans.__('The cell has changed'), body, yes)) {
        return this.host.write(path, [{ ...edit, expected: {}, overwrite: true }])[0];
      }
    }
    return outcome;
  }

  private places(path: string, outcome: IRefused): string {
    return outcome.cells.map(id => this.host.label(path, id)).join(', ');
  }
}
