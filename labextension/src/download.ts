/** One download of a model at a time, as a value that the guide shows. */

import type { Client } from './client';
import { asFailure } from './client';
import type { IFailure, PullEvent } from './wire';

export interface IPull {
  model: string;
  done: number;
  total: number;
  what: string;
  failure: IFailure | null;
  running: boolean;
}

export class Puller {
  /** Null when none runs and the last one did not fail. */
  state: IPull | null = null;

  private abort: AbortController | null = null;

  constructor(
    private readonly client: Pick<Client, 'pull'>,
    private readonly changed: () => void
  ) {}

  /** Bring a model here; resolves to false when a download is under way already. */
  async run(model: string): Promise<boolean> {
    if (this.state?.running) {
      return false;
    }
    this.abort = new AbortController();
    let state: IPull = { model, done: 0, total: 0, what: '', failure: null, running: true };
    const show = (changes: Partial<IPull>): void => {
      this.state = state = { ...state, ...changes };
      this.changed();
    };
    show({});
    try {
      for await (const event of this.client.pull(model, this.abort.signal)) {
        show(after(event));
      }
      show({ running: false });
    } catch (error) {
      const stopped = this.abort.signal.aborted;
      show({ running: false, failure: stopped ? null : asFailure(error) });
    }
    if (!state.failure) {
      this.state = null;
    }
    return true;
  }

  /** What has come is kept for the next time. */
  stop(): void {
    this.abort?.abort();
  }
}

function after(event: PullEvent): Partial<IPull> {
  switch (event.type) {
    case 'progress':
      return { done: event.done, total: event.total, what: event.what };
    case 'ready':
      return { running: false };
    case 'error':
      return { running: false, failure: event };
  }
}
