/** The conversation of each notebook as the server keeps it: read once, written turn by turn. A failure is said, not thrown. */

import type { IAnswer, ICandidate } from './answer';
import type { Client } from './client';
import { asFailure } from './client';
import { fromTurn, toTurn } from './turns';
import type { IFailure, ITurn } from './wire';

const SENT = 10;

export class Conversations {
  /** What is to be said of a conversation that was found, by the path of its notebook. */
  readonly notices = new Map<string, string>();
  /** Why the latest turn could not be kept. */
  failure: IFailure | null = null;
  private readonly known = new Set<string>();
  private readonly kept = new Map<string, string>();

  constructor(
    private readonly client: Pick<Client, 'conversation' | 'keep' | 'forget'>,
    private readonly describe: (candidate: ICandidate) => string
  ) {}

  /** The answers that are kept of a notebook, latest first; each path is asked for once. */
  async recall(path: string): Promise<IAnswer[]> {
    if (!path || this.known.has(path)) {
      return [];
    }
    this.known.add(path);
    try {
      const { turns, notice } = await this.client.conversation(path);
      this.notices.set(path, notice);
      return turns.map(turn => fromTurn(turn, path)).reverse();
    } catch {
      this.known.delete(path); // no server, or not logged in: asked for again with the next change
      return [];
    }
  }

  /** The turns that a request is sent with, oldest first. */
  before(answers: readonly IAnswer[], path: string): ITurn[] {
    const own = answers.filter(answer => answer.path === path).map(answer => this.turn(answer));
    const slim = own.flatMap(turn => (turn ? [{ ...turn, preview: null }] : []));
    return slim.slice(0, SENT).reverse();
  }

  /** Keep a turn as it is now; nothing is sent where nothing has changed. */
  async keep(answer: IAnswer): Promise<void> {
    const turn = this.turn(answer);
    const text = JSON.stringify(turn);
    if (!turn || !answer.path || this.kept.get(turn.id) === text) {
      return;
    }
    this.kept.set(turn.id, text);
    this.failure = await this.client.keep(answer.path, turn).then(() => null, asFailure);
  }

  async forget(path: string, id?: string): Promise<void> {
    this.notices.delete(path);
    this.failure = await this.client.forget(path, id).then(() => null, asFailure);
  }

  private turn(answer: IAnswer): ITurn | null {
    const candidate = answer.candidates[answer.chosen];
    return toTurn(answer, candidate?.check && Object.keys(candidate.check.checks).length ? this.describe(candidate) : '');
  }
}
