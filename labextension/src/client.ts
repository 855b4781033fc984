/** The only file that speaks HTTP. A failure becomes an `RequestError` with a sentence and a hint. */

import type { ICompleteRequest, IConversation, IFailure, IModel, IStatus, IStreamRequest, ITurn, PullEvent, ServerEvent } from './wire';
import { isObject, readEvent } from './wire';

/** `ServerConnection.makeRequest` with the base URL and the settings filled in: it adds token and XSRF header. */
export type Fetch = (path: string, init: RequestInit) => Promise<Response>;

export class RequestError extends Error implements IFailure {
  constructor(
    readonly code: string,
    message: string,
    readonly hint = ''
  ) {
    super(message);
  }
}

export class Client {
  constructor(private readonly fetch: Fetch) {}

  status(): Promise<IStatus> {
    return this.json<IStatus>('status');
  }

  /** Trust the folder that the status named; the state afterwards. */
  async trust(folder: string): Promise<IStatus> {
    const response = await this.send('trust', { method: 'POST', body: JSON.stringify({ folder }) });
    return (await response.json()) as IStatus;
  }

  async models(): Promise<IModel[]> {
    return (await this.json<{ models: IModel[] }>('models')).models;
  }

  /** The turns that are kept beside a notebook. */
  conversation(path: string): Promise<IConversation> {
    return this.json<IConversation>(`conversation?path=${encodeURIComponent(path)}`);
  }

  async keep(path: string, turn: ITurn): Promise<void> {
    await this.send('conversation', { method: 'POST', body: JSON.stringify({ path, turn }) });
  }

  /** Remove one turn, or the whole conversation. */
  async forget(path: string, turn?: string): Promise<void> {
    const one = turn === undefined ? '' : `&turn=${encodeURIComponent(turn)}`;
    await this.send(`conversation?path=${encodeURIComponent(path)}${one}`, { method: 'DELETE' });
  }

  /** The events of one request. Aborting closes the connection, and the server cancels at the next token. */
  async *stream(request: IStreamRequest, signal: AbortSignal): AsyncGenerator<ServerEvent> {
    yield* this.lines('stream', request, signal, readEvent);
  }

  /** Text to put at the cursor: each item is the whole text so far. */
  async *complete(request: ICompleteRequest, signal: AbortSignal): AsyncGenerator<ServerEvent> {
    yield* this.lines('complete', request, signal, readEvent);
  }

  async *pull(model: string, signal: AbortSignal): AsyncGenerator<PullEvent> {
    yield* this.lines('pull', { model }, signal, line => JSON.parse(line) as PullEvent);
  }

  private async json<T>(path: string): Promise<T> {
    return (await (await this.send(path, { method: 'GET', cache: 'no-store' })).json()) as T;
  }

  private async *lines<T>(
    path: string,
    body: unknown,
    signal: AbortSignal,
    read: (line: string) => T | null
  ): AsyncGenerator<T> {
    const init = { method: 'POST', body: JSON.stringify(body), signal };
    const response = await this.send(path, init);
    for await (const line of splitLines(response.body)) {
      const item = read(line);
      if (item !== null) {
        yield item;
      }
    }
  }

  private async send(path: string, init: RequestInit): Promise<Response> {
    let response: Response;
    try {
      response = await this.fetch(path, init);
    } catch (error) {
      if (init.signal?.aborted) {
        throw new RequestError('cancelled', 'stopped');
      }
      throw new RequestError('no-server', 'the Jupyter server does not answer', `is it still running? (${String(error)})`);
    }
    if (response.ok) {
      return response;
    }
    throw await failure(response);
  }
}

async function failure(response: Response): Promise<RequestError> {
  const body: unknown = await response.json().catch(() => null);
  if (isObject(body) && typeof body.message === 'string' && typeof body.code === 'string') {
    return new RequestError(body.code, body.message, typeof body.hint === 'string' ? body.hint : '');
  }
  if (response.status === 404) {
    return new RequestError(
      'no-extension',
      'the server extension of nbcopilot is not enabled',
      'install nbcopilot into the environment that runs JupyterLab, then restart the server'
    );
  }
  if (response.status === 403) {
    return new RequestError('login', 'you are not logged in to the Jupyter server any more', 'reload the page');
  }
  return new RequestError('http', `the Jupyter server answered ${response.status} ${response.statusText}`);
}

/** The lines of a body, as they arrive; a last line without a newline counts. */
export async function* splitLines(body: ReadableStream<Uint8Array> | null): AsyncGenerator<string> {
  if (body === null) {
    return;
  }
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      rest += decoder.decode(value, { stream: !done });
      const lines = rest.split('\n');
      rest = done ? '' : (lines.pop() ?? '');
      yield* lines.filter(line => line !== '');
      if (done) {
        return;
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/** Whatever was thrown, as the page shows it. */
export function asFailure(error: unknown): IFailure {
  return error instanceof RequestError
    ? error
    : { code: 'internal', message: String(error), hint: 'the console of the browser has more' };
}
