import * as assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { Signal } from '@lumino/signaling';

import { SidebarModel } from '../src/model';
import { replacement } from '../src/proposedEdits';
import type { IEdit, ITurn, ServerEvent } from '../src/wire';
import { applied, refused } from '../src/wire';

const trans = { __: (text: string, ...args: any[]) => text.replace(/%(\d)/g, (_, n) => String(args[n - 1])) } as any;
const EDIT: IEdit = {
  schema: 1, type: 'edit', group: 'g', cell_id: null, after: 'c0', replaces: [], previous: null, expected: {}, overwrite: false,
  cells: [{ kind: 'code', source: '# label\nx = 1', metadata: {} }]
}; // prettier-ignore
const ANSWER: ServerEvent[] = [
  { type: 'token', text: 'x = 1', index: 0, attempt: 0 },
  { type: 'candidate', index: 0, attempt: 0, text: 'x = 1', answer: 'code', prose: '', complete: true },
  { type: 'edit', index: 0, attempt: 0, best: true, edit: EDIT },
  { type: 'done', finish: 'ok', usage: null }
];

class FakeHost {
  changed = new Signal<any, void>(this);
  written: IEdit[][] = [];
  open = true;
  reply = (edit: IEdit): any => applied(edit.group, edit.cells.map((_, i) => `new-${i}`), []);
  subject = (): any => (this.open ? { path: 'a.ipynb', cellId: 'c0', cellType: 'code', severalCode: false, hasFailed: false, locked: '' } : null);
  read = async (): Promise<any> =>
    this.open ? { target: { source: 'x', cell_id: 'c0', names: [], position: 0 }, notebook: { path: 'a.ipynb' }, sources: { c0: 'x' } } : null;
  write = (_: string, edits: IEdit[]): any[] => {
    this.written.push(edits);
    return edits.map(this.reply);
  };
  label = (): string => '[1]';
  reveal = (): void => undefined;
}

function make(events: ServerEvent[] = ANSWER, yes = true) {
  const host = new FakeHost();
  const questions: string[] = [];
  const queues: number[] = [];
  const saved: string[][] = [];
  const requests: any[] = [];
  const kept: [string, ITurn][] = [];
  const forgotten: string[] = [];
  const client = {
    conversation: async () => ({ turns: [], notice: '' }),
    keep: async (path: string, turn: ITurn) => void kept.push([path, turn]),
    forget: async (path: string, turn?: string) => void forgotten.push(turn ?? path),
    status: async () => ({ version: '0', model: { ready: true }, engine: { queue: queues.shift() ?? 0 } }),
    async *stream(request: unknown, signal: AbortSignal) {
      requests.push(request);
      for (const event of events) {
        if (signal.aborted) {
          throw new Error('aborted');
        }
        yield event;
        await new Promise(resolve => setTimeout(resolve, 1));
      }
    }
  };
  const model = new SidebarModel(host as any, client as any, async (_, body) => (questions.push(body), yes), trans, h => saved.push(h));
  return { host, model, questions, saved, queues, kept, forgotten, requests };
}

describe('SidebarModel', () => {
  it('writes nothing before the user accepts', async () => {
    const { host, model } = make();
    await model.ask('generate', 'set x');
    assert.equal(host.written.length, 0);
    await model.acceptAll(model.answers[0].key);
    assert.equal(host.written.length, 1);
    assert.deepEqual(model.answers[0].candidates[0].decisions, ['accepted']);
    assert.deepEqual(model.answers[0].candidates[0].written, ['new-0']);
  });
  it('unless the user said so in the settings', async () => {
    const { host, model } = make();
    model.setOptions({ candidates: 1, insertAtOnce: true });
    await model.ask('generate', 'set x');
    assert.equal(host.written.length, 1);
  });
  it('asks before it overwrites, and takes a no', async () => {
    const { host, model, questions } = make(ANSWER, false);
    await model.ask('generate', 'set x');
    host.reply = edit => refused(edit.group, 'conflict', ['c0'], 'changed');
    await model.acceptAll(model.answers[0].key);
    assert.equal(questions.length, 1);
    assert.deepEqual(model.answers[0].candidates[0].decisions, ['open']);
    assert.match(model.answers[0].notices[0].message, /not written/);
  });
  it('a fix changes the cell that was asked about: its text alone', async () => {
    const { host, model } = make();
    await model.ask('fix', '');
    const edit = replacement(model.answers[0], model.answers[0].candidates[0], 0);
    assert.deepEqual(edit?.replaces, ['c0']);
    assert.deepEqual(edit?.cells, [{ kind: 'code', source: 'x = 1', metadata: {} }]);
    await model.acceptAll(model.answers[0].key);
    assert.deepEqual(host.written[0][0].replaces, ['c0']);
  });
  it('a fix changes the cell at fault, where that is another one', async () => {
    const { model } = make();
    await model.ask('fix', '');
    const [candidate] = model.answers[0].candidates;
    const answer = { ...model.answers[0], sources: { ...model.answers[0].sources, above: 'x = 0' } };
    const cells = candidate.edit!.cells.map(cell => ({ ...cell, metadata: { nbcopilot: { source_cell: 'above' } } }));
    const edit = { ...candidate.edit!, cells };
    const other = replacement(answer, { ...candidate, edit }, 0);
    assert.deepEqual(other?.replaces, ['above']);
    assert.deepEqual(Object.keys(other?.expected ?? {}), ['above']);
  });
  it('a follow-up is sent with the turns before it, and what became of them', async () => {
    const { model, requests, kept } = make();
    await model.ask('generate', 'set x');
    await model.acceptAll(model.answers[0].key);
    model.setMode('words');
    await model.ask('generate', 'why?');
    assert.deepEqual(requests[0].turns, []);
    assert.deepEqual(requests[1].turns.map((turn: ITurn) => [turn.asked, turn.state, turn.cells]), [['set x', 'taken', ['new-0']]]);
    assert.deepEqual([requests[0].mode, requests[1].mode], ['auto', 'words']);
    assert.deepEqual(kept.map(([path, turn]) => [path, turn.asked, turn.state]).slice(0, 2), [['a.ipynb', 'set x', 'offered'], ['a.ipynb', 'set x', 'taken']]);
  });
  it('only the conversation of the open notebook is shown, and one click clears it', async () => {
    const { host, model, forgotten } = make();
    await model.ask('generate', 'set x');
    host.subject = () => ({ path: 'b.ipynb', cellId: 'c0', cellType: 'code', severalCode: false, hasFailed: false, locked: '' });
    assert.equal(model.shown.length, 0);
    host.subject = () => ({ path: 'a.ipynb', cellId: 'c0', cellType: 'code', severalCode: false, hasFailed: false, locked: '' });
    assert.equal(model.shown.length, 1);
    await model.clear();
    assert.deepEqual([model.shown.length, forgotten], [0, ['a.ipynb']]);
  });
  it('asking again draws another answer, and editing puts the words into the box', async () => {
    const { model, requests } = make();
    await model.ask('generate', 'set x');
    await model.again(model.answers[0].key);
    assert.equal(requests[1].task.options.temperature, 0.8);
    assert.equal(model.answers.length, 2);
    model.edit(model.answers[0].key);
    assert.equal(model.draft, 'set x');
  });
  it('a command at the beginning says what is asked for, and one that is not known is said', async () => {
    const { model, requests } = make();
    model.setDraft('/explain the join');
    await model.send();
    model.setDraft('/ask why the mean?');
    await model.send();
    assert.deepEqual(requests.map(({ task, mode }) => [task.kind, task.instruction, mode]), [['explain', 'the join', undefined], ['generate', 'why the mean?', 'words']]); // prettier-ignore
    model.setDraft('/fixx it');
    await model.send();
    assert.equal(requests.length, 2);
    assert.match(model.answers[0].failure!.message + model.answers[0].failure!.hint, /no command \/fixx.*\/fix/s);
    assert.equal(model.draft, '/fixx it', 'what was typed is lost');
  });
  it('stops', async () => {
    const { model } = make();
    const running = model.ask('generate', 'set x');
    await new Promise(resolve => setTimeout(resolve, 2));
    model.stop();
    await running;
    assert.equal(model.answers[0].phase, 'stopped');
  });
  it('looks again until the engine has let go of what was stopped', async () => {
    const { model, queues } = make();
    queues.push(1);
    await model.refresh();
    assert.equal(model.status?.engine.queue, 1);
    await new Promise<void>(resolve => model.changed.connect(() => model.status?.engine.queue === 0 && resolve()));
  });
  it('an answer that breaks off is not taken for a whole one', async () => {
    const { model } = make(ANSWER.slice(0, 1));
    await model.ask('generate', 'set x');
    assert.equal(model.answers[0].failure?.code, 'cut');
  });
  it('says what is missing in a card', async () => {
    const { host, model } = make();
    await model.ask('generate', '');
    assert.equal(model.answers[0].failure?.code, 'empty');
    host.open = false;
    await model.ask('explain', '');
    assert.equal(model.answers[0].failure?.code, 'no-notebook');
  });
  it('remembers instructions once each, the latest last', async () => {
    const { model, saved } = make();
    for (const text of ['a', 'b', 'a']) {
      await model.ask('generate', text);
    }
    assert.deepEqual(model.history, ['b', 'a']);
    assert.deepEqual(saved[saved.length - 1], ['b', 'a']);
  });
  for (const yes of [true, false]) {
    it(`asks once whether a project is trusted, and ${yes ? 'trusts it' : 'changes nothing'}`, async () => {
      const { model, questions } = make(ANSWER, yes);
      const trusted: string[] = [];
      const client = (model as any).client;
      const plain = client.status;
      client.status = async () => ({ ...(await plain()), untrusted: { folder: '/repo', message: 'redact is ignored' } });
      client.trust = async (folder: string) => (trusted.push(folder), { ...(await plain()), untrusted: null });
      await model.refresh();
      await new Promise(resolve => setTimeout(resolve, 1));
      assert.deepEqual(trusted, yes ? ['/repo'] : []);
      assert.equal(model.status?.untrusted?.folder, yes ? undefined : '/repo');
      await model.refresh();
      await new Promise(resolve => setTimeout(resolve, 1));
      assert.equal(questions.length, 1);
      assert.ok(questions[0].includes('/repo') && questions[0].includes('redact'));
    });
  }
});
