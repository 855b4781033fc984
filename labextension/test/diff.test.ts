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

it('a very long change stays fast', () => {
  const lines = (mark: string): string => Array.from({ length: 3000 }, (_, i) => `${mark}${i}`).join('\n');
  assert.equal(diffLines(lines('a'), lines('b')).length, 6000);
});
