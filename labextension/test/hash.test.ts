import * as assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { it } from 'node:test';

import { textHash } from '../src/hash';

it('is SHA-256 for every length around the block size', () => {
  for (const length of [0, 1, 3, 54, 55, 56, 57, 63, 64, 65, 119, 120, 128, 1000]) {
    const text = 'aé漢😀'.repeat(length).slice(0, length);
    assert.equal(textHash(text), 'sha256:' + createHash('sha256').update(text, 'utf-8').digest('hex'), `${length}`);
  }
});
