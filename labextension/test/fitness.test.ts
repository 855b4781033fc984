import * as assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { unfit } from '../src/fitness';
import type { TaskKind } from '../src/wire';

const trans = { __: (text: string, ...args: any[]) => text.replace(/%(\d)/g, (_, n) => String(args[n - 1])) } as any;
const subject = (changes: Record<string, unknown>): any => ({ cellType: 'code', severalCode: false, hasFailed: false, locked: '', ...changes });
const ABOUT_CODE: TaskKind[] = ['explain', 'testgen', 'fix'];

describe('unfit', () => {
  for (const kind of ABOUT_CODE) {
    it(`${kind} needs code, and says so on a cell of another type`, () => {
      assert.equal(unfit(kind, subject({}), trans), null);
      for (const cellType of ['raw', 'markdown']) {
        assert.match(String(unfit(kind, subject({ cellType }), trans)), new RegExp(`is ${cellType}: this needs a cell with code`));
      }
      assert.equal(unfit(kind, subject({ cellType: 'markdown', severalCode: true }), trans), null);
      assert.equal(unfit(kind, null, trans), 'No notebook is open');
    });
  }
  it('Generate and Document fit every cell', () => {
    for (const kind of ['generate', 'document'] as TaskKind[]) {
      assert.equal(unfit(kind, subject({ cellType: 'raw', locked: 'editable: false' }), trans), null);
    }
  });
  it('Fix says that a cell is locked, unless another one has failed', () => {
    assert.equal(unfit('fix', subject({ locked: 'editable: false' }), trans), 'The selected cell is locked (editable: false)');
    assert.equal(unfit('fix', subject({ cellType: 'markdown', hasFailed: true }), trans), null);
  });
  it('what is switched off says by whom, before anything else', () => {
    const status = { off: ['explain'], locked: [{ name: 'off', value: 'explain', by: '/etc/nbcopilot/policy.toml' }] };
    assert.equal(unfit('explain', null, trans, status), 'Switched off by /etc/nbcopilot/policy.toml');
    assert.equal(unfit('fix', subject({}), trans, status), null);
    assert.equal(unfit('generate', subject({}), trans, { off: ['sidebar'], locked: [] }), 'Switched off in the settings');
  });
});
