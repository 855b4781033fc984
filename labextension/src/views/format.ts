/** Numbers and states in words. */

import type { TranslationBundle } from '@jupyterlab/translation';

import type { ICandidate } from '../answer';
import type { IUsage } from '../wire';
import { isObject } from '../wire';

export function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const step = count > 0 ? Math.min(Math.floor(Math.log10(count) / 3), units.length - 1) : 0;
  const value = count / 1000 ** step;
  return `${value >= 100 || step === 0 ? Math.round(value) : value.toFixed(1)} ${units[step]}`;
}

type Words = Pick<TranslationBundle, '__' | '_n'>;

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

/** A chip for each check, in the order of the checks, then the evidence in numbers. */
export function chips(candidate: ICandidate, trans: Words): IChip[] {
  const check = candidate.check;
  if (!check) {
    return [];
  }
  const found: IChip[] = [];
  for (const [name, state] of Object.entries(check.checks)) {
    if (typeof state === 'string') {
      const text = state !== 'not-run' ? `${name} ${state}` : name === 'run' ? trans.__('not run') : trans.__('%1 not run', name);
      found.push({ name, text, state: stateOf(name, state, candidate) });
    } else if (isObject(state) && name === 'tests') {
      found.push(...testChips(state, trans));
    }
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
  return candidate.check?.findings.some(f => f.check === name && f.severity === 'warning') ? 'warn' : 'good';
}

function testChips(tests: Record<string, unknown>, trans: Words): IChip[] {
  const found: IChip[] = [];
  const number = (key: string): number | null => (typeof tests[key] === 'number' ? (tests[key] as number) : null);
  const [passed, mutants, killed, lines] = [number('passed'), number('mutants'), number('killed'), number('line_coverage')];
  if (passed !== null) {
    found.push({ name: 'tests', text: trans._n('%1 test passes', '%1 tests pass', passed), state: passed ? 'good' : 'bad' });
  }
  if (lines !== null) {
    found.push({ name: 'coverage', text: trans.__('%1 of lines', `${Math.round(lines * 100)} %`), state: lines < 0.5 ? 'warn' : 'good' });
  }
  if (mutants) {
    found.push({ name: 'mutants', text: trans.__('%1 mutants caught', `${killed ?? 0}/${mutants}`), state: 'plain' });
  }
  return found;
}
