/** An answer as a turn of the conversation that is kept, and back. */

import type { IAnswer, ICandidate } from './answer';
import { begin, offered } from './answer';
import type { ITurn, TaskKind, TurnState } from './wire';

const KINDS: TaskKind[] = ['generate', 'explain', 'testgen', 'fix'];

/** The turn of an answer; null for one that is no turn (a whole notebook, an undo). */
export function toTurn(answer: IAnswer, truth: string): ITurn | null {
  if (!answer.id || answer.parts || answer.intent === 'undo' || !KINDS.includes(answer.task.kind)) {
    return null;
  }
  const [candidate] = offered(answer) as (ICandidate | undefined)[];
  return {
    id: answer.id,
    kind: answer.task.kind,
    asked: answer.title,
    text: candidate?.text ?? candidate?.streamed ?? '',
    answer: isWords(answer, candidate) ? 'markdown' : 'code',
    state: stateOf(answer, candidate),
    cells: (candidate?.written ?? []).filter(id => id !== null),
    truth: truth || answer.truth,
    preview: candidate?.check?.preview ?? null,
    created: answer.created,
    group: candidate?.edit?.group ?? answer.group
  };
}

/** The answer of a turn that was found again: it is shown, and can be asked again. */
export function fromTurn(turn: ITurn, path: string): IAnswer {
  const kind = KINDS.find(one => one === turn.kind) ?? 'generate';
  const target = { source: '', cell_id: null, names: [], position: null };
  const isTaken = turn.state === 'taken' || turn.state === 'undone';
  const decision = isTaken ? ('accepted' as const) : ('rejected' as const);
  const written = turn.cells.length ? turn.cells : [null];
  const candidate: ICandidate = {
    index: 0,
    attempt: 0,
    streamed: '',
    text: turn.text,
    prose: '',
    complete: true,
    check: { ok: true, findings: [], checks: {}, level: '', evidence: {}, preview: turn.preview },
    confidence: null,
    edit: null,
    decisions: isTaken || turn.state === 'rejected' ? written.map(() => decision) : [],
    written
  };
  return {
    ...begin({ kind, instruction: turn.asked, target, options: {} }, turn.asked, path, {}),
    key: turn.id,
    id: turn.id,
    created: turn.created,
    intent: turn.answer === 'markdown' ? 'words' : null,
    truth: turn.truth,
    undone: turn.state === 'undone',
    group: turn.group,
    phase: turn.state === 'stopped' || turn.state === 'failed' ? turn.state : 'done',
    candidates: turn.text ? [candidate] : []
  };
}

export function isWords(answer: IAnswer, candidate: ICandidate | undefined): boolean {
  return answer.intent === 'words' || answer.task.kind === 'explain' || candidate?.edit?.cells[0]?.kind === 'markdown';
}

function stateOf(answer: IAnswer, candidate: ICandidate | undefined): TurnState {
  if (answer.undone) {
    return 'undone';
  }
  if (answer.phase === 'failed' || answer.phase === 'stopped') {
    return answer.phase;
  }
  const decisions = candidate?.decisions ?? [];
  if (decisions.includes('accepted')) {
    return 'taken';
  }
  return decisions.length && decisions.every(one => one === 'rejected') ? 'rejected' : 'offered';
}
