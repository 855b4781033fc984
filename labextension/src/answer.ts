/** One answer of the sidebar as a value: `next(answer, event)` is the whole logic, with no view and no notebook. */

import type { IConfidence, IFailure, IFinding, IEdit, IPreview, ISnippet, ITask, IUsage, ServerEvent } from './wire';

/**
 * What is going on: the page reads the notebook, asks the server (which may have to start the model), the server chooses
 * what the model sees, the model reads that, writes, is checked, tries again; or how it ended.
 */
export type Phase =
  | 'reading'
  | 'asking'
  | 'choosing'
  | 'prompted'
  | 'writing'
  | 'checking'
  | 'repairing'
  | 'done'
  | 'stopped'
  | 'failed';
export type Decision = 'open' | 'accepted' | 'rejected';

export interface ICheck {
  ok: boolean;
  findings: IFinding[];
  checks: Record<string, unknown>;
  level: string;
  evidence: Record<string, unknown>;
  preview?: IPreview | null;
}

/** One way to answer (or, for a whole notebook, one part of the answer) and the cells it would write. */
export interface ICandidate {
  index: number;
  attempt: number;
  /** What the model has said so far, as it came. */
  streamed: string;
  /** What was taken out of it for the cell; null until it is complete. */
  text: string | null;
  prose: string;
  complete: boolean;
  check: ICheck | null;
  /** Whether it does what was asked; null where nothing is said of that. */
  confidence: IConfidence | null;
  edit: IEdit | null;
  /** One for each cell of the edit. */
  decisions: Decision[];
  /** Ids that the cells got in the notebook; null where none was written. */
  written: (string | null)[];
}

export interface IContextView {
  snippets: ISnippet[];
  dropped: ISnippet[];
  redacted: number;
  tokens: number;
  budget: number;
}

export interface IAnswer {
  key: string;
  /** Its name in the conversation that is kept; "" until it is asked. */
  id: string;
  /** When it was asked (ISO 8601, UTC). */
  created: string;
  /** What it was taken for; null outside a conversation. */
  intent: 'code' | 'words' | 'undo' | null;
  /** Of "undo": the turn that is meant, "" when there is none. */
  undoes: string;
  /** What was known of it in one line, of a turn that was found again. */
  truth: string;
  /** Whether its cells were taken out again. */
  undone: boolean;
  /** Of the request that wrote its cells, by which they are taken out again. */
  group: string;
  task: ITask;
  /** What the user asked, in words. */
  title: string;
  /** Path of the notebook that was asked about. */
  path: string;
  /** Sources that were there when it was asked, by cell id: the old side of a diff. */
  sources: Record<string, string>;
  phase: Phase;
  /** Candidates are alternatives, unless the answer is made of parts. */
  parts: boolean;
  /** The cells that the parts are about. */
  partCells: string[];
  /** Texts that are there, of how many; null where they are not counted. */
  progress: { done: number; total: number } | null;
  candidates: ICandidate[];
  chosen: number;
  /** How many answers came to each outcome, by the group of its preview. */
  outcomes: Record<string, number>;
  context: IContextView | null;
  notices: { message: string; hint: string; severity: string }[];
  usage: IUsage | null;
  failure: IFailure | null;
}

export function begin(task: ITask, title: string, path: string, sources: Record<string, string>): IAnswer {
  return {
    key: '',
    id: '',
    created: '',
    intent: null,
    undoes: '',
    truth: '',
    undone: false,
    group: '',
    task,
    title,
    path,
    sources,
    phase: 'reading',
    parts: false,
    partCells: [],
    progress: null,
    candidates: [],
    chosen: 0,
    outcomes: {},
    context: null,
    notices: [],
    usage: null,
    failure: null
  };
}

/** The answer after `event`. */
export function next(answer: IAnswer, event: ServerEvent): IAnswer {
  switch (event.type) {
    case 'started':
      return { ...answer, phase: 'choosing' };
    case 'parts':
      return { ...answer, parts: true, partCells: event.cells, phase: 'checking' };
    case 'progress':
      return { ...answer, progress: event, phase: 'writing' };
    case 'meant':
      return { ...answer, intent: event.intent, undoes: event.turn };
    case 'notice':
      return { ...answer, notices: [...answer.notices, event] };
    case 'context':
      return { ...answer, context: event };
    case 'prompt':
      return { ...answer, phase: event.attempt ? 'repairing' : 'prompted' };
    case 'token':
      return { ...onCandidate(answer, event, c => ({ ...c, streamed: c.streamed + event.text })), phase: 'writing' };
    case 'candidate': {
      const { text, prose, complete } = event;
      return { ...onCandidate(answer, event, c => ({ ...c, text, prose, complete })), phase: 'checking' };
    }
    case 'check':
      return onCandidate(answer, event, c => ({ ...c, text: event.text ?? c.text, check: event }));
    case 'edit':
      return chooseBest(withEdit(answer, event), event);
    case 'done':
      return { ...answer, phase: event.finish === 'cancelled' ? 'stopped' : 'done', usage: event.usage };
    case 'text':
      return answer;
    case 'error':
      return { ...answer, phase: 'failed', failure: event };
  }
}

/** The answer when the notebook was read and the server is asked. */
export function ask(answer: IAnswer, task: ITask, path: string, sources: Record<string, string>): IAnswer {
  return { ...answer, task, path, sources, phase: 'asking' };
}

/** The answer after the user stopped it: what is there stays. */
export function stop(answer: IAnswer): IAnswer {
  return isRunning(answer) ? { ...answer, phase: 'stopped' } : answer;
}

export function fail(answer: IAnswer, failure: IFailure): IAnswer {
  return { ...answer, phase: 'failed', failure };
}

export function isRunning(answer: IAnswer): boolean {
  return !['done', 'stopped', 'failed'].includes(answer.phase);
}

/** The candidates whose cells are offered: the chosen one, or every part. */
export function offered(answer: IAnswer): ICandidate[] {
  return answer.parts ? answer.candidates.filter(c => c.edit) : answer.candidates.slice(answer.chosen, answer.chosen + 1);
}

/** An outcome to choose: one answer that leads to it, its place among the candidates, and how many led there. */
export interface IAlternative {
  at: number;
  candidate: ICandidate;
  count: number;
}

/**
 * The different outcomes of an answer, one candidate for each, the one with most answers first. What the checks reject
 * is no choice beside what they accept; where outcomes cannot be told, texts are.
 */
export function alternatives(answer: IAnswer): IAlternative[] {
  if (answer.parts || isRunning(answer)) {
    return [];
  }
  const ready = answer.candidates.flatMap((candidate, at) => (candidate.edit ? [{ candidate, at }] : []));
  const accepted = ready.filter(({ candidate }) => candidate.check?.ok !== false);
  const found = new Map<string, IAlternative>();
  for (const { candidate, at } of accepted.length ? accepted : ready) {
    const group = candidate.check?.preview?.group ?? '';
    const key = group || candidate.text || candidate.streamed;
    const known = found.get(key);
    if (known) {
      const one = at === answer.chosen ? { candidate, at } : { candidate: known.candidate, at: known.at };
      found.set(key, { ...one, count: group ? known.count : known.count + 1 });
    } else {
      found.set(key, { candidate, at, count: answer.outcomes[group] ?? 1 });
    }
  }
  const isChosen = (one: IAlternative): number => Number(one.at === answer.chosen);
  return [...found.values()].sort((a, b) => b.count - a.count || isChosen(b) - isChosen(a) || a.at - b.at);
}

/** Cells that wait for a decision. */
export function openCells(answer: IAnswer): { candidate: ICandidate; at: number }[] {
  return offered(answer).flatMap(candidate =>
    candidate.decisions.flatMap((decision, at) => (decision === 'open' ? [{ candidate, at }] : []))
  );
}

/** The answer after a decision on cell `at` of a candidate; `id` is the cell's in the notebook when it was accepted. */
export function decide(
  answer: IAnswer,
  candidate: Pick<ICandidate, 'index' | 'attempt'>,
  at: number,
  decision: Decision,
  id: string | null = null
): IAnswer {
  return onCandidate(answer, candidate, c => ({
    ...c,
    decisions: c.decisions.map((old, i) => (i === at ? decision : old)),
    written: c.written.map((old, i) => (i === at ? id : old))
  }));
}

const sameCandidate = (a: Pick<ICandidate, 'index' | 'attempt'>, b: Pick<ICandidate, 'index' | 'attempt'>): boolean =>
  a.index === b.index && a.attempt === b.attempt;

function onCandidate(
  answer: IAnswer,
  at: Pick<ICandidate, 'index' | 'attempt'>,
  change: (candidate: ICandidate) => ICandidate
): IAnswer {
  const known = answer.candidates.some(candidate => sameCandidate(candidate, at));
  const candidates = known ? answer.candidates : [...answer.candidates, empty(at.index, at.attempt)];
  return { ...answer, candidates: candidates.map(c => (sameCandidate(c, at) ? change(c) : c)) };
}

function withEdit(answer: IAnswer, event: Extract<ServerEvent, { type: 'edit' }>): IAnswer {
  const { edit } = event;
  return onCandidate(answer, event, c => ({
    ...c,
    edit,
    confidence: event.confidence ?? null,
    decisions: edit.cells.map(() => 'open' as const),
    written: edit.cells.map(() => null)
  }));
}

function chooseBest(answer: IAnswer, event: Extract<ServerEvent, { type: 'edit' }>): IAnswer {
  const at = answer.candidates.findIndex(candidate => sameCandidate(candidate, event));
  return event.best ? { ...answer, chosen: at, outcomes: event.outcomes ?? {} } : answer;
}

function empty(index: number, attempt: number): ICandidate {
  return {
    index,
    attempt,
    streamed: '',
    text: null,
    prose: '',
    complete: true,
    check: null,
    confidence: null,
    edit: null,
    decisions: [],
    written: []
  };
}
