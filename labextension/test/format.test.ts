import * as assert from 'node:assert/strict';
import { it } from 'node:test';

import { begin, next } from '../src/answer';
import type { ICandidate } from '../src/answer';
import { chips, evidenceWords } from '../src/views/format';

const fill = (text: string, ...args: any[]): string => text.replace(/%(\d)/g, (_, n) => String(args[n - 1]));
const trans = { __: fill, _n: (one: string, many: string, n: number, ...args: any[]) => fill(n === 1 ? one : many, n, ...args) } as any;

function checked(checks: Record<string, unknown>): ICandidate {
  const task = { kind: 'testgen' as const, instruction: '', target: { source: '', cell_id: null, names: [], position: null }, options: {} };
  const check = { type: 'check' as const, index: 0, attempt: 0, text: '', ok: true, findings: [], checks, level: '', evidence: {} };
  return next(begin(task, '', 'a.ipynb', {}), check).candidates[0];
}

it('chips of tests say what the label of the cell says', () => {
  const counts = { passed: 6, mutants: 12, killed: 11, line_coverage: 1, characterisation: 2 };
  assert.deepEqual(
    chips(checked({ syntax: 'ok', tests: counts }), trans).map(chip => chip.text),
    ['syntax ok', '6 tests pass', '100 % lines', '11/12 mutants caught', '2 characterisation']
  );
  assert.deepEqual(chips(checked({ grounding: 'ok' }), trans).map(chip => chip.text), ['names and numbers ok']);
});

it('the details are words, without what the chips say and without what is nothing', () => {
  const evidence = {
    seconds: 0.437, setup_seconds: 1.2, prints: 0, creates: ['area', 'mean'], examples: { passed: 2, of: 3 },
    branch_coverage: 0.5, passed: 6, disagree: 1, verified: false, not_verified: 'it was not run'
  }; // prettier-ignore
  assert.deepEqual(evidenceWords('bubblewrap', evidence, trans), [
    'sandbox: bubblewrap', 'run in 0.4 s', 'the cells above in 1.2 s', 'creates: area, mean', '2 of 3 examples hold',
    '50 % branches', '1 disagrees with the code', 'not verified: it was not run'
  ]); // prettier-ignore
});
