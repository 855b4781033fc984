/** Numbers and states in words. */

import type { ICandidate } from '../answer';
import type { IUsage } from '../wire';
import { isObject } from '../wire';

export function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const step = count > 0 ? Math.min(Math.floor(Math.log10(count) / 3), units.length - 1) : 0;
  const value = count / 1000 ** step;
  return `${value >= 100 || step === 0 ? Math.round(value) : value.toFixed(1)} ${units[step]}`;
}

export function usageWords(usage: IUsage): string {
  const parts = [`${usage.completion_tokens} tokens in ${usage.seconds.toFixed(1)} s`];
  if (usage.first_token_seconds > 0) {
    parts.push(`first after ${usage.first_token_seconds.toFixed(1)} s`);
  }
  if (usage.cached_tokens > 0) {
    parts.push(`${usage.cached_tokens} of ${usage.prompt_tokens} read before`);
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
export function chips(candidate: ICandidate): IChip[] {
  const check = candidate.check;
  if (!check) {
    return [];
  }
  const found: IChip[] = [];
  for (const [name, state] of Object.entries(check.checks)) {
    if (typeof state === 'string') {
      found.push({ name, text: state === 'not-run' ? (name === 'run' ? 'not run' : `${name} not run`) : `${name} ${state}`, state: stateOf(name, state, candidate) });
    } else if (isObject(state) && name === 'tests') {
      found.push(...testChips(state));
    }
  }
  if (!candidate.complete) {
    found.push({ name: 'complete', text: 'cut short', state: 'warn' });
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

function testChips(tests: Record<string, unknown>): IChip[] {
  const found: IChip[] = [];
  const number = (key: string): number | null => (typeof tests[key] === 'number' ? (tests[key] as number) : null);
  const [passed, mutants, killed, lines] = [number('passed'), number('mutants'), number('killed'), number('line_coverage')];
  if (passed !== null) {
    found.push({ name: 'tests', text: `${passed} ${passed === 1 ? 'test passes' : 'tests pass'}`, state: passed ? 'good' : 'bad' });
  }
  if (lines !== null) {
    found.push({ name: 'coverage', text: `${Math.round(lines * 100)} % of lines`, state: lines < 0.5 ? 'warn' : 'good' });
  }
  if (mutants) {
    found.push({ name: 'mutants', text: `${killed ?? 0}/${mutants} mutants caught`, state: 'plain' });
  }
  return found;
}
