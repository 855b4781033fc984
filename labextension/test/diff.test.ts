import * as assert from 'node:assert/strict';
import { it } from 'node:test';

import { diffLines } from '../src/diff';

const side = (before: string, after: string, drop: string): string =>
  diffLines(before, after)
    .filter(line => line.kind !== drop)
    .map(line => line.text)
    .join('\n');

it('both sides can be read off it, and equal lines are shown once', () => {
  const texts = ['', 'a', 'a\nb\nc', 'a\nx\nc', 'x\na\nb\nc\ny', 'b', 'c\nb\na', 'a\n\nb\n'];
  for (const before of texts) {
    for (const after of texts) {
      assert.equal(side(before, after, 'added'), before);
      assert.equal(side(before, after, 'removed'), after);
    }
  }
  assert.deepEqual(
    diffLines('a\nb\nc', 'a\nx\nc').map(line => line.kind),
    ['same', 'removed', 'added', 'same']
  );
});

it('says which part of a line changed, where most of it did not', () => {
  const parts = (before: string, after: string): (string | null)[] =>
    diffLines(before, after).map(line => (line.part ? line.text.slice(...line.part) : null));
  assert.deepEqual(parts('m = sum(araes) / 2\nprint(m)', 'm = sum(areas) / 2\nprint(m)'), ['ae', 'ea', null]);
  assert.deepEqual(parts('a = f(1)\nb = f(2)', 'a = f(10)\nb = f(20)'), ['', '', '0', '0']);
  assert.deepEqual(parts('x = 1', 'import os'), [null, null]);
  assert.deepEqual(parts('a\nb', 'c'), [null, null, null]);
});

it('a very long change stays fast', () => {
  const lines = (mark: string): string => Array.from({ length: 3000 }, (_, i) => `${mark}${i}`).join('\n');
  assert.equal(diffLines(lines('a'), lines('b')).length, 6000);
});
