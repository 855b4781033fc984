import * as assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { InlineProvider, firstLine, firstWord } from '../src/inline';
import type { ICompleteRequest, ServerEvent } from '../src/wire';

const trans = { __: (text: string) => text } as any;

/** A client whose answers wait for `release`; records what was asked and what was aborted. */
class Waiting {
  asked: ICompleteRequest[] = [];
  aborted = 0;
  release = (): void => undefined;

  async *complete(request: ICompleteRequest, signal: AbortSignal): AsyncGenerator<ServerEvent> {
    this.asked.push(request);
    signal.addEventListener('abort', () => this.aborted++);
    yield { type: 'text', text: 'ret' };
    await new Promise<void>((resolve, reject) => {
      this.release = resolve;
      if (signal.aborted) {
        reject(new Error('aborted'));
      }
      signal.addEventListener('abort', () => reject(new Error('aborted')));
    });
    yield { type: 'text', text: 'return x' };
  }
}

const ask = (text: string, offset = text.length): any => ({ text, offset });
const cell = (type: string, id = 'c1'): any => ({
  content: {
    activeCell: { model: { type, id } },
    activeCellIndex: 1,
    model: { sharedModel: { metadata: {}, cells: [{ cell_type: 'code', getSource: () => 'import math' }] } }
  }
});

describe('InlineProvider', () => {
  const make = (panel: any) => {
    const client = new Waiting();
    return { client, provider: new InlineProvider(client as any, () => panel, trans, undefined) };
  };
  it('streams the whole text so far, with the other cells as context', async () => {
    const { client, provider } = make(cell('code'));
    const list = await provider.fetch(ask('def f(x):\n    \nf(1)', 14), {} as any);
    const { token } = list.items[0];
    const stream = provider.stream(token!);
    assert.deepEqual((await stream.next()).value?.response, { insertText: 'ret', isIncomplete: true, token });
    const more = stream.next();
    await new Promise(resolve => setTimeout(resolve, 5));
    client.release();
    assert.equal((await more).value?.response.insertText, 'return x');
    assert.deepEqual((await stream.next()).value?.response, { insertText: 'return x', isIncomplete: false });
    assert.equal(client.asked[0].prefix, 'def f(x):\n    ');
    assert.equal(client.asked[0].suffix, '\nf(1)');
    assert.deepEqual(client.asked[0].before, ['import math']);
    assert.equal(client.asked[0].client, 'c1');
  });
  it('aborts its own request when the user types on', async () => {
    const { client, provider } = make(cell('code'));
    const first = await provider.fetch(ask('x'), {} as any);
    const stream = provider.stream(first.items[0].token!);
    await stream.next();
    await provider.fetch(ask('xy'), {} as any);
    assert.equal(client.aborted, 1);
    assert.equal((await stream.next()).value?.response.isIncomplete, false);
  });
  it('says nothing in text cells unless it is told to', async () => {
    const { provider } = make(cell('markdown'));
    assert.deepEqual((await provider.fetch(ask('some words'), {} as any)).items, []);
    provider.configure({ markdown: true });
    assert.equal((await provider.fetch(ask('some words'), {} as any)).items.length, 1);
  });
  it('every setting has a default and a title', () => {
    const schema = make(null).provider.schema as any;
    assert.deepEqual(Object.keys(schema.properties).sort(), Object.keys(schema.default).sort());
    assert.ok(Object.values(schema.properties).every((p: any) => p.title && p.description));
  });
});

describe('parts of a suggestion', () => {
  it('the next word, with the blanks before it', () => {
    assert.equal(firstWord(' return x + 1'), ' return');
    assert.equal(firstWord('(a, b)'), '(');
    assert.equal(firstWord('\n    x'), '\n    x');
    assert.equal(firstWord(''), '');
  });
  it('the next line', () => {
    assert.equal(firstLine('a = 1\nb = 2'), 'a = 1');
    assert.equal(firstLine('\n  a\nb'), '\n  a');
  });
});
