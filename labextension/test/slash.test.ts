import * as assert from 'node:assert/strict';
import { it } from 'node:test';

import { parse, suggestions } from '../src/slash';

it('a command stands at the beginning, followed by a blank or nothing', () => {
  assert.deepEqual([parse('/fix the sum').command?.kind, parse('/fix the sum').rest], ['fix', 'the sum']);
  assert.equal(parse(' /test ').command?.kind, 'testgen');
  assert.equal(parse('read /data/fix.csv').command, null);
  assert.equal(parse('/tmp/data.csv as a frame').command, null, 'a path is no command');
  assert.deepEqual([parse('/nothing x').command, parse('/nothing x').name], [undefined, 'nothing']);
});

it('suggestions come while a command is typed', () => {
  assert.deepEqual(suggestions('/').length, 6);
  assert.deepEqual(suggestions('/ex').map(({ name }) => name), ['explain']); // prettier-ignore
  assert.deepEqual([suggestions('/fix it'), suggestions('sum'), suggestions('')], [[], [], []]);
});
