import * as assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import { applied, known, readEvent, readKernelMessage, ready, refused, stop } from '../src/wire';

// The same files that the Python side is tested against; from labextension/.test/test/ to the root of the project.
const FOLDER = join(__dirname, '..', '..', '..', 'tests', 'data', 'wire');
const read = (name: string): any => JSON.parse(readFileSync(join(FOLDER, `${name}.json`), 'utf-8'));

describe('messages of the kernel', () => {
  for (const name of ['hello', 'begin', 'begin_asking', 'edit', 'edit_replacing', 'edit_addressed', 'output', 'undo']) {
    it(`${name} is read as it is`, () => {
      assert.deepEqual(readKernelMessage(read(name)), read(name));
    });
  }
  it('another schema is refused, never guessed at', () => {
    const message = readKernelMessage({ ...read('edit'), schema: 2 });
    assert.equal(message.type === 'refused' && message.reason, 'schema');
  });
  it('an edit with a cell that is none is refused', () => {
    const edit = read('edit');
    edit.cells[0].kind = 'html';
    assert.equal(readKernelMessage(edit).type, 'refused');
    assert.equal(readKernelMessage({ ...read('edit'), cells: 'x' }).type, 'refused');
    assert.equal(readKernelMessage(null).type, 'refused');
  });
});

describe('answers of the front end', () => {
  it('are those of the files', () => {
    const one = read('applied');
    assert.deepEqual(applied(one.group, one.cells, one.replaced), one);
    assert.deepEqual(stop(read('stop').group), read('stop'));
    assert.deepEqual(ready('JupyterLab', '0.1.0'), read('ready'));
    assert.deepEqual(ready('JupyterLab', '0.1.0', 'page-2'), read('ready_again'));
    const two = read('refused');
    assert.deepEqual(refused(two.group, two.reason, two.cells, two.detail), two);
    const three = read('refused_edited');
    assert.deepEqual(refused(three.group, three.reason, three.cells, three.detail, three.sources), three);
    const four = read('known');
    assert.deepEqual(known(four.group, four.state, four.cells), four);
  });
  it('every message file is known to one of the tests', () => {
    const names = readdirSync(FOLDER).map(name => name.replace('.json', ''));
    const fromKernel = ['hello', 'begin', 'begin_asking', 'edit', 'edit_replacing', 'edit_addressed', 'output', 'undo'];
    const fromPage = ['applied', 'refused', 'refused_edited', 'ready', 'ready_again', 'stop', 'known'];
    const http = ['events', 'stream_request', 'complete_request'];
    assert.deepEqual(names.filter(name => ![...fromKernel, ...fromPage, ...http].includes(name)), []);
  });
});

describe('events of the server', () => {
  it('every line of the file is read', () => {
    for (const event of read('events')) {
      assert.deepEqual(readEvent(JSON.stringify(event)), event);
    }
  });
  it('a line that is cut, unknown or incomplete is passed over', () => {
    assert.equal(readEvent('{"type": "tok'), null);
    assert.equal(readEvent('{"type": "later"}'), null);
    assert.equal(readEvent('{"type": "token", "text": "x"}'), null);
    assert.equal(readEvent('[]'), null);
  });
});
