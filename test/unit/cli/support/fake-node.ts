import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { MemberView } from '@quorate/node';

/** What a request other than `GET /api/v1/cluster` was. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly type: string | undefined;
  readonly body: string;
}

/** A member for a fake answer: a follower with a vote unless said otherwise. */
export function member(id: string, details: Partial<MemberView> = {}): MemberView {
  return {
    id,
    role: 'follower',
    voter: true,
    state: 'member',
    mqtt: null,
    http: null,
    peer: null,
    self: false,
    ...details,
  };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of request) body += String(chunk);
  return body;
}

/**
 * A node's HTTP API that says what it is told to. The members of the cluster are a list of states: each question takes
 * the next one, the last one stays.
 */
export class FakeNode {
  readonly requests: SeenRequest[] = [];
  /** Questions after the cluster so far. */
  asked = 0;
  leader: string | null = 'n1';
  states: readonly (readonly MemberView[])[] = [[member('n1', { role: 'leader', self: true })]];
  answer: { readonly status: number; readonly body: string } = { status: 200, body: '{}' };
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => {
      void this.#respond(request).then(({ status, body }) => response.writeHead(status).end(body));
    });
  }

  async #respond(request: IncomingMessage): Promise<{ readonly status: number; readonly body: string }> {
    const { method = '', url = '' } = request;
    const body = await bodyOf(request);
    if (method === 'GET' && url === '/api/v1/cluster') {
      const nodes = this.states[Math.min(this.asked++, this.states.length - 1)] ?? [];
      const cluster = { clusterId: 'c', term: 1, leader: this.leader, commitIndex: 9, appliedIndex: 9, nodes };
      return { status: 200, body: JSON.stringify(cluster) };
    }
    this.requests.push({ method, path: url, type: request.headers['content-type'], body });
    return this.answer;
  }

  async listen(): Promise<void> {
    await new Promise<void>((done) => this.#server.listen(0, '127.0.0.1', done));
  }

  /** `HOST:PORT`. */
  get address(): string {
    return `127.0.0.1:${String((this.#server.address() as AddressInfo).port)}`;
  }

  get url(): string {
    return `http://${this.address}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }
}
