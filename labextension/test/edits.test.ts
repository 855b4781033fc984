import * as assert from 'node:assert/strict';
import { afterEach, before, describe, it } from 'node:test';

import type { YCodeCell } from '@jupyter/ydoc';
import { YNotebook } from '@jupyter/ydoc';

import { answerOf, apply, groups, undo, writtenBefore } from '../src/edits';
import { textHash } from '../src/hash';
import type { IEdit } from '../src/wire';

const open: YNotebook[] = [];
afterEach(() => open.splice(0).forEach(nb => nb.dispose()));

function notebook(...sources: string[]): YNotebook {
  const made = YNotebook.create({ disableDocumentWideUndoRedo: true }) as YNotebook;
  open.push(made);
  made.insertCells(
    0,
    sources.map((source, i) => ({ id: `c${i}`, cell_type: 'code', source, metadata: {}, outputs: [], execution_count: null }))
  );
  return made;
}

const edit = (changes: Partial<IEdit>): IEdit => ({
  schema: 1,
  type: 'edit',
  group: 'g1',
  cell_id: null,
  after: 'c0',
  replaces: [],
  previous: null,
  expected: {},
  overwrite: false,
  cells: [],
  ...changes
});
const code = (source: string, record: Record<string, unknown> = {}) => ({
  kind: 'code' as const,
  source,
  metadata: { nbcopilot: { schema: 1, role: 'code', group: 'g1', source_cell: 'c0', cell_hash: textHash(source), ...record } }
});
const text = (source: string) => ({ kind: 'markdown' as const, source, metadata: {} });
const sources = (nb: YNotebook): string[] => nb.cells.map(cell => cell.getSource());

describe('apply', () => {
  it('writes several typed cells below the one that asked, in order, with metadata, not trusted', () => {
    const nb = notebook('a', 'b');
    const trusted = { ...code('x'), metadata: { ...code('x').metadata, trusted: true } };
    const outcome = apply(nb, edit({ cells: [text('t'), trusted] }));
    assert.equal(outcome.type, 'applied');
    assert.deepEqual(sources(nb), ['a', 't', 'x', 'b']);
    assert.deepEqual(nb.cells.map(c => c.cell_type), ['code', 'markdown', 'code', 'code']);
    assert.deepEqual(Object.keys(nb.cells[2].getMetadata()), ['nbcopilot']);
  });
  it('is one undo step, also right after a change of the user', () => {
    const nb = notebook('a');
    nb.insertCell(1, { cell_type: 'code', source: 'mine' } as never);
    apply(nb, edit({ cells: [code('x'), code('y')] }));
    nb.insertCell(4, { cell_type: 'code', source: 'later' } as never);
    nb.undo();
    assert.deepEqual(sources(nb), ['a', 'x', 'y', 'mine']);
    nb.undo();
    assert.deepEqual(sources(nb), ['a', 'mine']);
    nb.redo();
    assert.deepEqual(sources(nb), ['a', 'x', 'y', 'mine']);
  });
  it('goes to the top for after null', () => {
    const nb = notebook('a');
    apply(nb, edit({ after: null, cells: [text('t')] }));
    assert.deepEqual(sources(nb), ['t', 'a']);
  });
  it('replaces the cells of an earlier run in place, under their ids', () => {
    const nb = notebook('a', 'b');
    apply(nb, edit({ cells: [code('x'), code('y')] }));
    const before = nb.cells.map(c => c.getId());
    const again = edit({ group: 'g2', previous: { source_cell: 'c0', roles: ['code'] }, cells: [code('x2', { group: 'g2' }), code('y2', { group: 'g2' })] });
    const outcome = apply(nb, again);
    assert.deepEqual(sources(nb), ['a', 'x2', 'y2', 'b']);
    assert.deepEqual(nb.cells.map(c => c.getId()), before);
    assert.deepEqual(outcome.type === 'applied' && outcome.replaced, before.slice(1, 3));
    nb.undo();
    assert.deepEqual(sources(nb), ['a', 'x', 'y', 'b']);
  });
  it('fewer cells than before take the rest away, more go below', () => {
    const nb = notebook('a', 'b');
    apply(nb, edit({ cells: [code('x'), code('y')] }));
    const previous = { source_cell: 'c0', roles: ['code'] };
    apply(nb, edit({ group: 'g2', previous, cells: [code('z', { group: 'g2' })] }));
    assert.deepEqual(sources(nb), ['a', 'z', 'b']);
    apply(nb, edit({ group: 'g3', previous, cells: [code('1', { group: 'g3' }), code('2', { group: 'g3' })] }));
    assert.deepEqual(sources(nb), ['a', '1', '2', 'b']);
  });
  it('keeps outputs where the text stays the same', () => {
    const nb = notebook('a');
    apply(nb, edit({ cells: [code('x')] }));
    (nb.cells[1] as any).setOutputs([{ output_type: 'stream', name: 'stdout', text: 'hi' }]);
    apply(nb, edit({ group: 'g2', previous: { source_cell: 'c0', roles: ['code'] }, cells: [code('x', { group: 'g2' })] }));
    assert.equal((nb.cells[1] as any).getOutputs().length, 1);
    assert.equal((nb.cells[1].getMetadata() as any).nbcopilot.group, 'g2');
  });
  it('leaves a generated cell that the user edited, until it may overwrite', () => {
    const nb = notebook('a');
    apply(nb, edit({ cells: [code('x')] }));
    nb.cells[1].setSource('mine');
    const again = edit({ group: 'g2', previous: { source_cell: 'c0', roles: ['code'] }, cells: [code('z', { group: 'g2' })] });
    const outcome = apply(nb, again);
    assert.equal(outcome.type === 'refused' && outcome.reason, 'edited');
    assert.deepEqual(sources(nb), ['a', 'mine']);
    apply(nb, { ...again, overwrite: true });
    assert.deepEqual(sources(nb), ['a', 'z']);
  });
  it("puts new text into a cell of the user's and keeps its metadata and outputs", () => {
    const nb = notebook('bad');
    nb.cells[0].setMetadata({ tags: ['keep'] } as never);
    (nb.cells[0] as any).setOutputs([{ output_type: 'stream', name: 'stdout', text: 'hi' }]);
    const outcome = apply(nb, edit({ after: null, replaces: ['c0'], expected: { c0: textHash('bad') }, cells: [{ ...code('good'), metadata: {} }] }));
    assert.equal(outcome.type, 'applied');
    assert.deepEqual(sources(nb), ['good']);
    assert.deepEqual(nb.cells[0].getMetadata(), { tags: ['keep'] });
    assert.equal((nb.cells[0] as any).getOutputs().length, 1);
    nb.undo();
    assert.deepEqual(sources(nb), ['bad']);
  });
  it('refuses, and changes nothing, when the cell is gone, was changed, or the notebook is read-only', () => {
    const nb = notebook('a');
    const reasons = [
      apply(nb, edit({ after: 'gone', cells: [code('x')] })),
      apply(nb, edit({ expected: { c0: textHash('other') }, cells: [code('x')] })),
      apply(nb, edit({ cells: [code('x')] }), true)
    ].map(outcome => outcome.type === 'refused' && outcome.reason);
    assert.deepEqual(reasons, ['no-cell', 'conflict', 'read-only']);
    assert.deepEqual(sources(nb), ['a']);
  });
});

describe('undo', () => {
  it('takes the cells of a request out, wherever they are now', () => {
    const nb = notebook('a', 'b');
    apply(nb, edit({ cells: [code('x')] }));
    nb.moveCells(1, 2);
    undo(nb, 'g1', false);
    assert.deepEqual(sources(nb), ['a', 'b']);
  });
  it('puts back what was replaced', () => {
    const nb = notebook('a');
    apply(nb, edit({ cells: [code('x'), code('y')] }));
    apply(nb, edit({ group: 'g2', previous: { source_cell: 'c0', roles: ['code'] }, cells: [code('z', { group: 'g2' })] }));
    assert.deepEqual(groups(nb), ['g2']);
    undo(nb, 'g2', false);
    assert.deepEqual(sources(nb), ['a', 'x', 'y']);
  });
  it('asks first when a cell was edited', () => {
    const nb = notebook('a');
    apply(nb, edit({ cells: [code('x')] }));
    nb.cells[1].setSource('mine');
    const outcome = undo(nb, 'g1', false);
    assert.equal(outcome.type === 'refused' && outcome.reason, 'edited');
    undo(nb, 'g1', true);
    assert.deepEqual(sources(nb), ['a']);
  });
  it('says when there is nothing', () => {
    const outcome = undo(notebook('a'), 'g9', false);
    assert.equal(outcome.type === 'refused' && outcome.reason, 'no-cell');
  });
});

describe('an edit that keeps', () => {
  it('changes text and metadata, and leaves the outputs of a cell of ours', () => {
    const nb = notebook('a');
    apply(nb, edit({ cells: [code('# label\nx')] }));
    const id = nb.cells[1].getId();
    nb.updateMetadata({}); // the outputs below are those of a run since
    (nb.cells[1] as YCodeCell).setOutputs([{ output_type: 'stream', name: 'stdout', text: '1' }]);
    const bare = edit({ group: 'g2', replaces: [id], expected: { [id]: textHash('# label\nx') }, keeps: true, cells: [code('x')] });
    assert.equal(apply(nb, bare).type, 'applied');
    assert.equal(nb.cells[1].getSource(), 'x');
    assert.equal((nb.cells[1] as YCodeCell).getOutputs().length, 1);
  });
});

describe('answerOf', () => {
  const asks = { request_hash: 'sha256:r', source_cell: 'c0', source_hash: textHash('a'), role: 'code' };
  const state = (record: Record<string, unknown>, change?: string): string => {
    const nb = notebook('a', 'b');
    apply(nb, edit({ cells: [code('x', record)] }));
    if (change !== undefined) {
      nb.cells[1].setSource(change);
    }
    return answerOf(nb, 'g2', asks).state;
  };
  it('finds the cells of the same request, as they were written or edited', () => {
    assert.equal(state({ request_hash: 'sha256:r' }), 'untouched');
    assert.equal(state({ request_hash: 'sha256:r' }, 'x  # mine'), 'edited');
  });
  it('knows an answer of before by the hash of the cell that asked', () => {
    assert.equal(state({ source_hash: textHash('a') }), 'untouched');
  });
  it('takes no answer to another request, of another cell or of another kind for it', () => {
    assert.equal(state({ request_hash: 'sha256:other', source_hash: textHash('a') }), 'none');
    assert.equal(state({ request_hash: 'sha256:r', source_cell: 'c9' }), 'none');
    assert.equal(state({ request_hash: 'sha256:r', role: 'tests' }), 'none');
    assert.equal(answerOf(notebook('a'), 'g', asks).state, 'none');
  });
  it('a refusal carries the text that was kept', () => {
    const nb = notebook('a');
    apply(nb, edit({ cells: [code('x')] }));
    nb.cells[1].setSource('mine');
    const again = apply(nb, edit({ group: 'g2', previous: { source_cell: 'c0', roles: ['code'] }, cells: [code('y')] }));
    assert.deepEqual(again.type === 'refused' && again.sources, ['mine']);
    assert.deepEqual(sources(nb), ['a', 'mine']);
  });
});

describe('cells that may not be changed', () => {
  for (const [name, metadata] of [
    ['editable: false', { editable: false }],
    ['nbgrader: locked', { nbgrader: { locked: true } }]
  ] as const) {
    it(`are not replaced (${name})`, () => {
      const nb = notebook('a', 'b');
      nb.cells[0].setMetadata(metadata as never);
      const outcome = apply(nb, edit({ replaces: ['c0'], overwrite: true, cells: [code('x')] }));
      assert.equal(outcome.type === 'refused' && outcome.reason, 'read-only');
      assert.match(outcome.type === 'refused' ? outcome.detail : '', new RegExp(name));
      assert.deepEqual(sources(nb), ['a', 'b']);
    });
  }
  it('a cell that is mended loses the error that it showed, and keeps its other outputs', () => {
    const nb = notebook('a');
    const stream = { output_type: 'stream', name: 'stdout', text: '1' } as const;
    (nb.cells[0] as YCodeCell).setOutputs([stream, { output_type: 'error', ename: 'E', evalue: '', traceback: [] }]);
    apply(nb, edit({ replaces: ['c0'], cells: [code('x')] }));
    assert.deepEqual((nb.cells[0] as YCodeCell).getOutputs(), [stream]);
  });
});

// The one copy that @jupyter/ydoc uses: `import` would be compiled to `require`, which loads another.
let Y: typeof import('yjs');
before(async () => {
  Y = await new Function('return import("yjs")')();
});

/** A second page on the same document: what each does reaches the other when `sync` is called. */
function peer(nb: YNotebook): { other: YNotebook; sync: () => void } {
  const other = YNotebook.create({ disableDocumentWideUndoRedo: true }) as YNotebook;
  open.push(other);
  const sync = (): void => {
    const [mine, theirs] = [Y.encodeStateAsUpdate(nb.ydoc), Y.encodeStateAsUpdate(other.ydoc)];
    Y.applyUpdate(other.ydoc, mine, 'remote');
    Y.applyUpdate(nb.ydoc, theirs, 'remote');
  };
  sync();
  return { other, sync };
}

describe('with another page on the same notebook', () => {
  const mend = edit({ after: null, replaces: ['c0'], expected: { c0: textHash('x = 1\ny = x.foo\n') }, cells: [{ ...code('x = 1\ny = x\n'), metadata: {} }] });
  it('what the other types into a cell while it is mended stays', () => {
    const nb = notebook('x = 1\ny = x.foo\n');
    const { other, sync } = peer(nb);
    other.cells[0].updateSource(0, 0, '# mine\n');
    apply(nb, mend);
    sync();
    assert.deepEqual(sources(nb), ['# mine\nx = 1\ny = x\n']);
    assert.deepEqual(sources(other), sources(nb));
    nb.undo();
    sync();
    assert.deepEqual(sources(other), ['# mine\nx = 1\ny = x.foo\n']);
  });
  it('what the other types while an answer of before is replaced, or taken out, stays', () => {
    const nb = notebook('a');
    apply(nb, edit({ cells: [code('x')] }));
    const { other, sync } = peer(nb);
    other.cells[1].updateSource(1, 1, '  # mine');
    apply(nb, edit({ group: 'g2', previous: { source_cell: 'c0', roles: ['code'] }, cells: [code('z', { group: 'g2' })] }));
    sync();
    assert.match(sources(nb)[1], /z.*# mine/);
    const mended = notebook('x = 1\ny = x.foo\n');
    apply(mended, mend);
    const second = peer(mended);
    second.other.cells[0].updateSource(0, 0, '# mine\n');
    undo(mended, 'g1', true);
    second.sync();
    assert.deepEqual(sources(second.other), ['# mine\nx = 1\ny = x.foo\n']);
  });
  it('characters of two code units are never cut', () => {
    const nb = notebook('a = "\u{1F600}"');
    const { other, sync } = peer(nb);
    apply(nb, edit({ after: null, replaces: ['c0'], cells: [{ ...code('a = "\u{1F601}"'), metadata: {} }] }));
    sync();
    assert.deepEqual(sources(other), ['a = "\u{1F601}"']);
  });
  it('an edit that the other page has written already is known', () => {
    const nb = notebook('a');
    const asked = edit({ cells: [code('x'), code('y')] });
    assert.equal(writtenBefore(nb, asked), null);
    apply(nb, asked);
    const { other } = peer(nb);
    other.cells[1].setSource('x  # edited since');
    assert.deepEqual(writtenBefore(other, asked)?.cells, other.cells.slice(1).map(cell => cell.getId()));
    assert.equal(writtenBefore(other, edit({ group: 'g2', cells: [code('x', { group: 'g2' })] })), null);
  });
});
