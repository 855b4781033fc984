import * as assert from 'node:assert/strict';
import { it } from 'node:test';

import { alternatives, begin, next } from '../src/answer';
import type { IAnswer, ICandidate } from '../src/answer';
import { changeWords, differences, truth } from '../src/views/outcome';
import type { IChange, IPreview, ServerEvent } from '../src/wire';

const fill = (text: string, ...args: any[]): string => text.replace(/%(\d)/g, (_, n) => String(args[n - 1]));
const trans = { __: fill, _n: (one: string, many: string, n: number, ...args: any[]) => fill(n === 1 ? one : many, n, ...args) } as any;
const task = { kind: 'generate' as const, instruction: 'x', target: { source: '', cell_id: null, names: [], position: null }, options: {} };
const preview = (group: string, more: Partial<IPreview> = {}): IPreview => ({
  value: { type: 'int', text: group, table: null, call: '' }, figures: [], changes: [], unchanged: [], uses: [], printed: '', files: [], group, ...more
}); // prettier-ignore
const edit = { schema: 1, type: 'edit', group: 'g', cell_id: null, after: null, replaces: [], previous: null, expected: {}, overwrite: false, cells: [] } as any;

function answered(...given: { text: string; group: string; ok?: boolean; best?: boolean }[]): IAnswer {
  const events: ServerEvent[] = given.flatMap(({ text, group, ok = true }, index) => [
    { type: 'check', index, attempt: 0, text, ok, findings: [], checks: { run: 'passed' }, level: '', evidence: {}, preview: preview(group) } as ServerEvent
  ]);
  const edits: ServerEvent[] = given.map(({ best = false }, index) => ({
    type: 'edit', index, attempt: 0, best, edit, outcomes: best ? { a: 4, b: 2 } : {}
  })); // prettier-ignore
  const done: ServerEvent = { type: 'done', finish: 'ok', usage: null };
  return [...events, ...edits, done].reduce(next, begin(task, '', 'a.ipynb', {}));
}

const change = (more: Partial<IChange>): IChange => ({
  name: 'orders', kind: 'changed', type: 'DataFrame', was: 'DataFrame', unit: 'rows', rows: [200, 200], columns: 3, added: [], removed: [], altered: [],
  before: '', after: '', ...more
}); // prettier-ignore

it('answers with one outcome are one choice, the outcome of most answers stands first', () => {
  const answer = answered({ text: 'x', group: 'b', best: true }, { text: 'y', group: 'a' }, { text: 'z', group: 'a' });
  assert.deepEqual(alternatives(answer).map(({ at, count }) => [at, count]), [[1, 4], [0, 2]]); // prettier-ignore
  assert.equal(alternatives(answered({ text: 'x', group: 'a', best: true }, { text: 'y', group: 'a' })).length, 1);
});

it('what the checks reject is no choice beside what they accept', () => {
  const answer = answered({ text: 'x', group: 'a', best: true }, { text: 'y', group: 'b', ok: false });
  assert.deepEqual(alternatives(answer).map(({ at }) => at), [0]);
  assert.equal(alternatives({ ...answer, phase: 'writing' }).length, 0);
});

it('changes are told by what is different', () => {
  assert.equal(changeWords(change({ added: ['month'] }), trans), 'orders: +1 column month, 200 rows kept');
  assert.equal(changeWords(change({ removed: ['a', 'b'], rows: [200, 1] }), trans), 'orders: −2 columns a, b, 200 → 1 row');
  assert.equal(changeWords(change({ altered: ['a'] }), trans), 'orders: a changed, 200 rows kept');
  assert.equal(changeWords(change({ kind: 'made', rows: [-1, 12] }), trans), 'new: orders, DataFrame, 12 rows × 3 columns');
  assert.equal(changeWords(change({ unit: '', rows: [-1, -1], type: 'int', was: 'int', before: '3', after: '4' }), trans), 'orders: 3 → 4');
  assert.equal(changeWords(change({ kind: 'deleted' }), trans), 'orders is deleted');
  assert.deepEqual(differences(preview('a', { unchanged: ['customers'] }), trans), ['customers unchanged']);
});

it('one line says what is known, and no more than that', () => {
  const table = { columns: ['a'], index: ['0'], cells: [['1']], rows: 12, width: 1, numeric: [true] };
  const check = { ok: true, findings: [], checks: { run: 'passed' }, level: '', evidence: { seconds: 0.12, warnings: ['w'] } };
  const seen = preview('a', { uses: ['customers.segment'], value: { type: 'DataFrame', text: '', table, call: '' } });
  const candidate = { check: { ...check, preview: seen }, complete: true, confidence: { text: 'unsure whether', state: 'none' } } as unknown as ICandidate;
  assert.equal(truth(candidate, trans), 'Ran in 0.1 s · uses customers.segment · 12 rows × 1 column · 1 warning · unsure');
  const unseen = { ...check, checks: { run: 'not-run' }, evidence: { not_run: 'needs the network' } };
  const lacking = { ...candidate, confidence: null, check: unseen } as unknown as ICandidate;
  assert.equal(truth(lacking, trans), 'Not run: needs the network');
  assert.equal(truth({ ...lacking, check: { ...unseen, ok: false } } as unknown as ICandidate, trans), 'Failed its checks');
});
