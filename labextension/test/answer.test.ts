import * as assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import { begin, decide, isRunning, next, offered, openCells, stop } from '../src/answer';
import type { IAnswer } from '../src/answer';
import { narrow } from '../src/proposedEdits';
import type { ServerEvent } from '../src/wire';

const EVENTS: ServerEvent[] = JSON.parse(
  readFileSync(join(__dirname, '..', '..', '..', 'tests', 'data', 'wire', 'events.json'), 'utf-8')
);
const task = { kind: 'fix' as const, instruction: '', target: { source: 'prnt(1)', cell_id: 'b', names: [], position: 1 }, options: {} };
const start = (): IAnswer => begin(task, '', 'a.ipynb', { b: 'prnt(1)' });
const play = (events: ServerEvent[]): IAnswer => events.reduce(next, start());
const without = (...types: string[]): ServerEvent[] => EVENTS.filter(event => !types.includes(event.type));

describe('next', () => {
  it('follows a whole answer', () => {
    const answer = play(without('error', 'parts'));
    assert.equal(answer.phase, 'done');
    assert.equal(answer.candidates.length, 1);
    const [candidate] = answer.candidates;
    assert.equal(candidate.streamed, 'print(1)');
    assert.equal(candidate.text, 'print(1)');
    assert.deepEqual(candidate.decisions, ['open']);
    assert.equal(answer.context?.tokens, 4);
    assert.equal(answer.notices.length, 1);
  });
  it('is pure', () => {
    const before = start();
    const frozen = JSON.stringify(before);
    next(before, EVENTS[4]);
    assert.equal(JSON.stringify(before), frozen);
  });
  it('keeps what had come when an error ends it', () => {
    const answer = play([...without('error', 'done', 'edit', 'parts'), EVENTS[EVENTS.length - 1]]);
    assert.equal(answer.phase, 'failed');
    assert.equal(answer.failure?.code, 'engine-unavailable');
    assert.equal(answer.candidates[0].streamed, 'print(1)');
  });
  it('offers the best of several, and every part of a whole', () => {
    const edit = EVENTS.find(event => event.type === 'edit') as Extract<ServerEvent, { type: 'edit' }>;
    const two = [
      { ...edit, index: 0, best: false },
      { ...edit, index: 1, best: true }
    ];
    const alternatives = two.reduce(next, start());
    assert.deepEqual(offered(alternatives).map(c => c.index), [1]);
    const parts = two.reduce(next, next(start(), { type: 'parts', cells: ['a', 'b'] }));
    assert.deepEqual(offered(parts).map(c => c.index), [0, 1]);
    assert.equal(openCells(parts).length, 2);
  });
  it('a stopped answer stays as it is, a finished one is not stopped', () => {
    const running = play(EVENTS.slice(0, 6));
    assert.ok(isRunning(running));
    assert.equal(stop(running).phase, 'stopped');
    assert.equal(stop(play(without('error'))).phase, 'done');
  });
});

describe('narrow', () => {
  const edit = EVENTS.find(event => event.type === 'edit') as Extract<ServerEvent, { type: 'edit' }>;
  const cells = ['one', 'two', 'three'].map(source => ({ kind: 'code' as const, source, metadata: {} }));
  const answer = next(start(), { ...edit, edit: { ...edit.edit, cells } });
  it('a cell accepted later goes below the one accepted before it', () => {
    const later = decide(answer, answer.candidates[0], 0, 'accepted', 'new-id').candidates[0];
    const rest = narrow(later, [1, 2]);
    assert.equal(rest?.after, 'new-id');
    assert.deepEqual(rest?.cells.map(cell => cell.source), ['two', 'three']);
  });
  it('a cell accepted first goes where the edit says', () => {
    assert.equal(narrow(answer.candidates[0], [2])?.after, 'b');
  });
});
