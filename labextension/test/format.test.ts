import * as assert from 'node:assert/strict';
import { it } from 'node:test';

import { ask, begin, next } from '../src/answer';
import type { IAnswer, ICandidate } from '../src/answer';
import type { ServerEvent, TaskKind } from '../src/wire';
import { chips, evidenceWords, partWords, phaseWords } from '../src/views/format';

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

it('code that ran is not green: how sure it is stands first', () => {
  const ran = checked({ syntax: 'ok', run: 'passed', examples: 'passed' });
  assert.deepEqual(chips(ran, trans).map(chip => chip.state), ['plain', 'plain', 'good']);
  const sure = (state: 'ok' | 'none' | 'bad') => chips({ ...ran, confidence: { text: 'unsure', state } }, trans)[0];
  assert.deepEqual([sure('ok').state, sure('none').state, sure('bad').state], ['good', 'warn', 'bad']);
  assert.equal(sure('none').text, 'unsure');
});

it('the details are words, without what the chips say and without what is nothing', () => {
  const evidence = {
    mended: '`axis=`', empty: 'the result is empty (0 x 2)', seconds: 0.437, setup_seconds: 1.2, prints: 0, creates: ['area', 'mean'], examples: { passed: 2, of: 3 },
    branch_coverage: 0.5, passed: 6, disagree: 1, verified: false, not_verified: 'it was not run'
  }; // prettier-ignore
  assert.deepEqual(evidenceWords('bubblewrap', evidence, trans), [
    'sandbox: bubblewrap', 'mended by rule: `axis=`', 'the result is empty (0 x 2)', 'run in 0.4 s', 'the cells above in 1.2 s', 'creates: area, mean', '2 of 3 examples hold',
    '50 % branches', '1 disagrees with the code', 'not verified: it was not run'
  ]); // prettier-ignore
});

function said(kind: TaskKind, ...events: ServerEvent[]): string {
  const task = { kind, instruction: '', target: { source: '', cell_id: null, names: [], position: null }, options: {} };
  const asked: IAnswer = ask(begin(task, '', 'a.ipynb', {}), task, 'a.ipynb', {});
  return phaseWords(events.reduce(next, asked), true, trans);
}

it('before the first token it says what is going on', () => {
  const started: ServerEvent = { type: 'started', id: 'x' };
  const context: ServerEvent = { type: 'context', snippets: [], dropped: [], redacted: 0, tokens: 812, budget: 3072 };
  const prompt = (attempt: number): ServerEvent => ({ type: 'prompt', attempt });
  const token: ServerEvent = { type: 'token', text: 'x', index: 0, attempt: 0 };
  const blank = begin({ kind: 'fix' } as any, '', 'a.ipynb', {});
  assert.equal(phaseWords(blank, true, trans), 'Reading the notebook …');
  assert.equal(phaseWords({ ...blank, phase: 'asking' }, false, trans), 'Starting the model …');
  assert.equal(said('fix'), 'Asking the model …');
  assert.equal(said('fix', started), 'Choosing what the model sees …');
  assert.equal(said('fix', started, context, prompt(0)), 'The model reads 812 tokens of the notebook …');
  assert.equal(said('fix', started, { ...context, tokens: 0 } as ServerEvent, prompt(0)), 'The model reads the request …');
  assert.equal(said('fix', started, context, prompt(0), token), 'Writing …');
  assert.match(said('fix', started, context, prompt(0), token, prompt(1)), /the model tries again/);
  assert.equal(said('document', started), 'Looking for code without a text …');
  assert.equal(said('document', started, { type: 'progress', done: 1, total: 3 }), 'Writing … 1 of 3 texts');
  assert.equal(said('fix', started, { type: 'done', finish: 'ok', usage: null }), '');
});

it('every text of a documented notebook says what it is about', () => {
  const text = (scope?: string): any => ({ kind: 'markdown', source: '# T', metadata: { nbcopilot: { role: 'summary', scope } } });
  assert.equal(partWords(text('notebook'), '[1]', 'x = 3', trans), 'Title and overview, above [1]');
  assert.equal(partWords(text(), '[1]', '%matplotlib inline\n\n# areas\ndef area(r):\n    return r', trans), 'Text above [1] · def area(r):');
  assert.equal(partWords(text(), '#2', '# only a comment', trans), 'Text above #2 · # only a comment');
  assert.equal(partWords(text(), '#2', `total = ${'x'.repeat(60)}`, trans).length, 'Text above #2 · '.length + 40);
  assert.equal(partWords(text(), '?', '', trans), 'Text above ?');
});
