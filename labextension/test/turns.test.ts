import * as assert from 'node:assert/strict';
import { it } from 'node:test';

import { begin, decide, next, offered } from '../src/answer';
import type { IAnswer } from '../src/answer';
import { Conversations } from '../src/conversation';
import { fromTurn, toTurn } from '../src/turns';
import type { ITurn, ServerEvent } from '../src/wire';

const task = { kind: 'generate' as const, instruction: 'as bars', target: { source: '', cell_id: null, names: [], position: null }, options: {} };
const edit = {
  schema: 1, type: 'edit', group: 'g', cell_id: null, after: null, replaces: [], previous: null, expected: {}, overwrite: false,
  cells: [{ kind: 'code', source: '# label\nx = 1', metadata: {} }]
} as any; // prettier-ignore
const EVENTS: ServerEvent[] = [
  { type: 'meant', intent: 'code', turn: '' },
  { type: 'check', index: 0, attempt: 0, text: 'x = 1', ok: true, findings: [], checks: { run: 'passed' }, level: '', evidence: {}, preview: null },
  { type: 'edit', index: 0, attempt: 0, best: true, edit },
  { type: 'done', finish: 'ok', usage: null }
];
const asked = (id = 't1'): IAnswer => ({ ...begin(task, 'as bars', 'a.ipynb', {}), key: id, id, created: '2026-11-21T00:00:00Z' });
const answered = (id?: string): IAnswer => EVENTS.reduce(next, asked(id));

function keeper(turns: ITurn[] = [], fails = false) {
  const sent: [string, ITurn][] = [];
  const client = {
    conversation: async () => ({ turns, notice: 'kept aside' }),
    keep: async (path: string, turn: ITurn) => {
      if (fails) {
        throw new Error('disk full');
      }
      sent.push([path, turn]);
    },
    forget: async () => undefined
  };
  return { sent, kept: new Conversations(client as any, () => 'Ran in 0.1 s') };
}

it('a turn says what was asked, offered and became of it', () => {
  const answer = answered();
  const turn = toTurn(answer, 'Ran in 0.1 s')!;
  assert.deepEqual([turn.asked, turn.text, turn.state, turn.group, turn.truth], ['as bars', 'x = 1', 'offered', 'g', 'Ran in 0.1 s']);
  const taken = decide(answer, offered(answer)[0], 0, 'accepted', 'c9');
  assert.deepEqual([toTurn(taken, '')!.state, toTurn(taken, '')!.cells], ['taken', ['c9']]);
  assert.equal(toTurn(decide(answer, offered(answer)[0], 0, 'rejected'), '')!.state, 'rejected');
  assert.equal(toTurn({ ...taken, undone: true }, '')!.state, 'undone');
  assert.equal(toTurn({ ...asked(), phase: 'stopped' }, '')!.state, 'stopped');
  assert.equal(toTurn({ ...answer, intent: 'undo' }, ''), null);
});

it('a turn that was found again says the same', () => {
  for (const state of ['offered', 'taken', 'rejected', 'undone', 'stopped', 'failed'] as const) {
    const turn: ITurn = { ...toTurn(answered(), 'Ran')!, state, cells: state === 'taken' ? ['c9'] : [] };
    assert.deepEqual(toTurn(fromTurn(turn, 'a.ipynb'), ''), turn);
  }
});

it('a conversation is read once, sent oldest first and without pictures, and written only where something changed', async () => {
  const turn = toTurn(answered(), 'Ran')!;
  const { sent, kept } = keeper([turn, { ...turn, id: 't2' }]);
  assert.deepEqual((await kept.recall('a.ipynb')).map(answer => answer.id), ['t2', 't1']); // prettier-ignore
  assert.deepEqual(await kept.recall('a.ipynb'), []);
  assert.equal(kept.notices.get('a.ipynb'), 'kept aside');
  const answers = [answered('t3'), { ...answered('other'), path: 'b.ipynb' }, answered('t2')];
  assert.deepEqual(kept.before(answers, 'a.ipynb').map(one => [one.id, one.preview]), [['t2', null], ['t3', null]]); // prettier-ignore
  await kept.keep(answers[0]);
  await kept.keep(answers[0]);
  assert.deepEqual(sent.map(([path, one]) => [path, one.id, one.truth]), [['a.ipynb', 't3', 'Ran in 0.1 s']]); // prettier-ignore
});

it('a turn that cannot be kept is said', async () => {
  const { kept } = keeper([], true);
  await kept.keep(answered());
  assert.match(kept.failure!.message, /disk full/);
});
