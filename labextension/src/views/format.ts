/** Numbers and states in words. */

import type { TranslationBundle } from '@jupyterlab/translation';

import type { IAnswer, ICandidate } from '../answer';
import type { INewCell, IUsage } from '../wire';
import { isObject } from '../wire';

export function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const step = count > 0 ? Math.min(Math.floor(Math.log10(count) / 3), units.length - 1) : 0;
  const value = count / 1000 ** step;
  return `${value >= 100 || step === 0 ? Math.round(value) : value.toFixed(1)} ${units[step]}`;
}

type Words = Pick<TranslationBundle, '__' | '_n'>;

/** What is going on with an answer; "" when nothing is. */
export function phaseWords(answer: IAnswer, isEngineReady: boolean, trans: Words): string {
  const { phase, progress, context } = answer;
  switch (phase) {
    case 'reading':
      return trans.__('Reading the notebook …');
    case 'asking':
      return isEngineReady ? trans.__('Asking the model …') : trans.__('Starting the model …');
    case 'choosing':
      return answer.task.kind === 'document'
        ? trans.__('Looking for code without a text …')
        : trans.__('Choosing what the model sees …');
    case 'prompted':
      return context?.tokens
        ? trans._n('The model reads %1 token of the notebook …', 'The model reads %1 tokens of the notebook …', context.tokens)
        : trans.__('The model reads the request …');
    case 'writing':
      return progress ? trans.__('Writing … %1 of %2 texts', progress.done, progress.total) : trans.__('Writing …');
    case 'checking':
      return trans.__('Checking …');
    case 'repairing':
      return trans.__('The checks found a problem: the model tries again …');
    default:
      return '';
  }
}

const LINE_CHARACTERS = 40;

/** Which text of a documented notebook a cell holds: the notebook's own, or that of the code which begins so. */
export function partWords(cell: INewCell, place: string, code: string, trans: Words): string {
  const record = cell.metadata.nbcopilot;
  if (isObject(record) && record.scope === 'notebook') {
    return trans.__('Title and overview, above %1', place);
  }
  const lines = code.split('\n').map(line => line.trim());
  const line = lines.find(text => text !== '' && !/^[#%!]/.test(text)) ?? lines.find(text => text !== '') ?? '';
  const short = line.length > LINE_CHARACTERS ? `${line.slice(0, LINE_CHARACTERS - 1).trimEnd()}…` : line;
  return short ? trans.__('Text above %1 · %2', place, short) : trans.__('Text above %1', place);
}

export function usageWords(usage: IUsage, trans: Words): string {
  const parts = [trans.__('%1 tokens in %2 s', usage.completion_tokens, usage.seconds.toFixed(1))];
  if (usage.first_token_seconds > 0) {
    parts.push(trans.__('first after %1 s', usage.first_token_seconds.toFixed(1)));
  }
  if (usage.cached_tokens > 0) {
    parts.push(trans.__('%1 of %2 read before', usage.cached_tokens, usage.prompt_tokens));
  }
  return parts.join(' · ');
}

export type ChipState = 'good' | 'bad' | 'warn' | 'plain';

export interface IChip {
  name: string;
  text: string;
  state: ChipState;
}

/** Checks that say nothing about whether the answer is what was asked for. */
const RAN_ONLY = new Set(['syntax', 'names', 'imports', 'run']);

/** Names of checks where the word of the record is not the user's. */
const checkLabel = (name: string, trans: Words): string => (name === 'grounding' ? trans.__('names and numbers') : name);

/** A chip for each check, in the order of the checks, then the evidence in numbers. */
export function chips(candidate: ICandidate, trans: Words): IChip[] {
  const check = candidate.check;
  if (!check) {
    return [];
  }
  const found: IChip[] = [];
  const sure = candidate.confidence;
  if (sure) {
    found.push({ name: 'confidence', text: sure.text, state: sure.state === 'ok' ? 'good' : sure.state === 'bad' ? 'bad' : 'warn' });
  }
  for (const [name, state] of Object.entries(check.checks)) {
    if (typeof state === 'string') {
      const label = checkLabel(name, trans);
      const text = state !== 'not-run' ? `${label} ${state}` : name === 'run' ? trans.__('not run') : trans.__('%1 not run', label);
      found.push({ name, text, state: stateOf(name, state, candidate) });
    } else if (isObject(state) && name === 'tests') {
      found.push(...testChips(state, trans));
    }
  }
  if (check.evidence.mended !== undefined) {
    found.push({ name: 'mended', text: trans.__('mended by rule'), state: 'plain' });
  }
  if (check.evidence.searched !== undefined) {
    found.push({ name: 'searched', text: trans.__('found by search'), state: 'plain' });
  }
  if (!candidate.complete) {
    found.push({ name: 'complete', text: trans.__('cut short'), state: 'warn' });
  }
  return found;
}

function stateOf(name: string, state: string, candidate: ICandidate): ChipState {
  if (state === 'not-run') {
    return 'plain';
  }
  if (state === 'failed') {
    return 'bad';
  }
  if (candidate.check?.findings.some(f => f.check === name && f.severity === 'warning')) {
    return 'warn';
  }
  // That code parses and runs does not make it right: no green for it.
  return RAN_ONLY.has(name) ? 'plain' : 'good';
}

/** Counts of a test cell in words. */
export const testWords = (tests: Record<string, unknown>, trans: Words): string[] => testChips(tests, trans).map(chip => chip.text);

function testChips(tests: Record<string, unknown>, trans: Words): IChip[] {
  const found: IChip[] = [];
  const number = (key: string): number | null => (typeof tests[key] === 'number' ? (tests[key] as number) : null);
  const [passed, mutants, killed, lines] = [number('passed'), number('mutants'), number('killed'), number('line_coverage')];
  const recorded = number('characterisation');
  if (passed !== null) {
    found.push({ name: 'tests', text: trans._n('%1 test passes', '%1 tests pass', passed), state: passed ? 'good' : 'bad' });
  }
  if (lines !== null) {
    found.push({ name: 'coverage', text: trans.__('%1 lines', percent(lines)), state: lines < 0.5 ? 'warn' : 'good' });
  }
  if (mutants) {
    found.push({ name: 'mutants', text: trans.__('%1 mutants caught', `${killed ?? 0}/${mutants}`), state: 'plain' });
  }
  if (recorded) {
    found.push({ name: 'characterisation', text: trans.__('%1 characterisation', recorded), state: 'plain' });
  }
  return found;
}

/** What the chips say already. */
const IN_CHIPS = ['passed', 'tests', 'mutants', 'killed', 'line_coverage', 'characterisation', 'verified', 'warnings'];

/** What a run has shown beside the chips: "sandbox: bubblewrap", "run in 0.4 s", "creates x, y". */
export function evidenceWords(level: string, evidence: Record<string, unknown>, trans: Words): string[] {
  const words = level ? [trans.__('sandbox: %1', level)] : [];
  for (const [name, value] of Object.entries(evidence)) {
    if (!IN_CHIPS.includes(name) && !isNothing(value)) {
      words.push(evidencePart(name, value, trans));
    }
  }
  return words;
}

function evidencePart(name: string, value: unknown, trans: Words): string {
  const number = typeof value === 'number' ? value : 0;
  switch (name) {
    case 'seconds':
      return trans.__('run in %1 s', number.toFixed(1));
    case 'setup_seconds':
      return trans.__('the cells above in %1 s', number.toFixed(1));
    case 'branch_coverage':
      return trans.__('%1 branches', percent(number));
    case 'disagree':
      return trans._n('%1 disagrees with the code', '%1 disagree with the code', number);
    case 'prints':
      return trans._n('prints %1 character', 'prints %1 characters', number);
    case 'mended':
      return trans.__('mended by rule: %1', String(value));
    case 'empty':
      return String(value);
    case 'searched':
      return trans.__('one of %1 small edits that were tried', number);
    case 'plots':
      return trans._n('%1 plot', '%1 plots', number);
    case 'examples':
      return isObject(value) ? trans.__('%1 of %2 examples hold', String(value.passed), String(value.of)) : '';
    default: {
      const text = Array.isArray(value) ? value.join(', ') : typeof value === 'object' ? JSON.stringify(value) : String(value);
      return `${name.replaceAll('_', ' ')}: ${text}`;
    }
  }
}

const isNothing = (value: unknown): boolean =>
  value === 0 || value === null || value === false || value === '' || (Array.isArray(value) && !value.length);

const percent = (share: number): string => `${Math.round(share * 100)} %`;
