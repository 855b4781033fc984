import * as assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { Client, RequestError, splitLines } from '../src/client';
import type { IStreamRequest } from '../src/wire';

const bytes = (...pieces: (string | Uint8Array)[]): ReadableStream<Uint8Array> =>
  new ReadableStream({
    start(controller) {
      for (const piece of pieces) {
        controller.enqueue(typeof piece === 'string' ? new TextEncoder().encode(piece) : piece);
      }
      controller.close();
    }
  });

const lines = async (body: ReadableStream<Uint8Array> | null): Promise<string[]> => {
  const found: string[] = [];
  for await (const line of splitLines(body)) {
    found.push(line);
  }
  return found;
};

describe('splitLines', () => {
  it('puts lines together that came in pieces, also within a letter', async () => {
    const letter = new TextEncoder().encode('é\n');
    assert.deepEqual(await lines(bytes('ab', 'c\nd', '\n\n', letter.slice(0, 1), letter.slice(1), 'end')), ['abc', 'd', 'é', 'end']);
    assert.deepEqual(await lines(bytes()), []);
    assert.deepEqual(await lines(null), []);
  });
});

describe('Client', () => {
  const client = (response: () => Response | Promise<Response>): Client => new Client(async () => response());
  const events = async (of: Client): Promise<string[]> => {
    const found: string[] = [];
    for await (const event of of.stream({} as IStreamRequest, new AbortController().signal)) {
      found.push(event.type);
    }
    return found;
  };
  it('gives the events that it knows', async () => {
    const body = '{"type":"started","id":"1"}\n{"type":"of tomorrow"}\n{"type":"done","finish":"ok"}\n';
    assert.deepEqual(await events(client(() => new Response(body))), ['started', 'done']);
  });
  it('turns a refusal into its sentence', async () => {
    const body = JSON.stringify({ code: 'model-missing', message: 'not here', hint: 'pull it' });
    await assert.rejects(events(client(() => new Response(body, { status: 409 }))), { code: 'model-missing', hint: 'pull it' });
  });
  it('says so when the server extension is missing, the login is gone, or the server is', async () => {
    const codes: Record<number, string> = { 404: 'no-extension', 403: 'login', 500: 'http' };
    for (const [status, code] of Object.entries(codes)) {
      await assert.rejects(events(client(() => new Response('<html>', { status: Number(status) }))), { code });
    }
    await assert.rejects(events(new Client(() => Promise.reject(new TypeError('fetch failed')))), { code: 'no-server' });
  });
  it('an aborted request is no fault of the server', async () => {
    const abort = new AbortController();
    abort.abort();
    const gone = new Client(() => Promise.reject(new DOMException('', 'AbortError')));
    await assert.rejects(gone.stream({} as IStreamRequest, abort.signal).next(), (error: RequestError) => error.code === 'cancelled');
  });
});
