import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Credentials } from '@quorate/broker';
import { HookMethod } from '../../../../packages/node/src/identity/hook-method.ts';
import { assert, suite } from '../../../support/suite.ts';
import { waitFor } from '../../../support/wait.ts';
import { ANN, settle } from './support.ts';

const test = suite('identity: the HTTP hook');

/** A service that says what it is told to, or, with null, nothing. */
class Service {
  answer: { readonly status?: number; readonly body: unknown } | null = { body: { result: 'allow' } };
  readonly questions: unknown[] = [];
  readonly types: (string | undefined)[] = [];
  readonly held: ServerResponse[] = [];
  readonly #server: Server = createServer((request, response) => void this.#respond(request, response));

  async #respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    this.questions.push(JSON.parse(body));
    this.types.push(request.headers['content-type']);
    if (this.answer === null) this.held.push(response);
    else {
      const { status = 200, body: given } = this.answer;
      response.writeHead(status, status === 302 ? { location: '/' } : {});
      response.end(typeof given === 'string' ? given : JSON.stringify(given));
    }
  }

  async listen(): Promise<void> {
    await new Promise<void>((done) => this.#server.listen(0, '127.0.0.1', done));
  }

  get url(): string {
    return `http://127.0.0.1:${String((this.#server.address() as AddressInfo).port)}/login`;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

let service: Service;

test.before.each(async () => {
  service = new Service();
  await service.listen();
});

test.after.each(() => {
  service.close();
});

function hook(part: { timeoutMs?: number; maxConcurrent?: number; url?: string } = {}): HookMethod {
  return new HookMethod({
    config: { url: service.url, timeoutMs: 2_000, maxConcurrent: 4, ...part },
    nowMs: () => 1_000,
  });
}

async function verdict(by = hook(), credentials: Credentials = ANN): Promise<unknown> {
  const settled = await settle(by, credentials);
  if (settled.kind === 'refused') return settled.reasonCode;
  return settled.kind === 'granted' ? settled.proven : settled.kind;
}

test('the service is asked about the client, with its password as text or, if it is none, as base64', async () => {
  const certificate = { commonName: 'pump', subjectAltNames: ['DNS:pump.example'] };
  await verdict(hook(), { ...ANN, certificate });
  await verdict(hook(), { ...ANN, userName: null, password: Buffer.from([0xff, 0x00]) });
  const common = { clientId: 'c1', remoteAddress: '10.0.0.1', protocolVersion: 5 };
  assert.equal(service.questions, [
    { ...common, userName: 'ann', password: 'secret', certificate },
    { ...common, userName: null, password: null, passwordBase64: '/wA=', certificate: null },
  ]);
  assert.equal(service.types, ['application/json', 'application/json']);
});

test('allow, deny and ignore', async () => {
  const plain = { credentialsId: null, superuser: false, own: null, expiresAtMs: Number.POSITIVE_INFINITY };
  assert.equal(await verdict(), { userName: 'ann', ...plain });
  service.answer = {
    body: { result: 'allow', userName: 'x', superuser: true, acl: { publish: ['a/%c'] }, expiresInSec: 5 },
  };
  const own = { publish: ['a/%c'], subscribe: [] };
  assert.equal(await verdict(), { userName: 'x', credentialsId: null, superuser: true, own, expiresAtMs: 6_000 });
  service.answer = { body: { result: 'deny' } };
  assert.is(await verdict(), 0x86);
  service.answer = { body: { result: 'ignore' } };
  assert.is(await verdict(), 'notMine');
});

test('whatever is no clear answer is a no', async () => {
  const answers: readonly { status?: number; body: unknown }[] = [
    { body: {} },
    { body: null },
    { body: [] },
    { body: 'allow' },
    { body: { result: 'Allow' } },
    { body: { result: 'allow', superuser: 'yes' } },
    { body: { result: 'allow', userName: 7 } },
    { body: { result: 'allow', acl: { publish: ['a/#/b'] } } },
    { body: { result: 'allow', acl: null } },
    { body: { result: 'allow', expiresInSec: -1 } },
    { body: 'not JSON {' },
    { body: `{"result":"allow","x":"${'x'.repeat(70_000)}"}` },
    { status: 500, body: { result: 'allow' } },
    { status: 201, body: { result: 'allow' } },
    { status: 302, body: { result: 'allow' } },
  ];
  for (const answer of answers) {
    service.answer = answer;
    assert.is(await verdict(), 0x88, JSON.stringify(answer).slice(0, 80));
  }
  const gone = hook();
  service.close();
  assert.is(await verdict(gone), 0x88, 'nobody there');
});

test('a service that does not answer is not waited for any longer than configured', async () => {
  service.answer = null;
  const startedMs = performance.now();
  assert.is(await verdict(hook({ timeoutMs: 100 })), 0x88);
  assert.ok(performance.now() - startedMs < 20_000);
});

test('only so many are asked about at once', async () => {
  service.answer = null;
  const by = hook({ maxConcurrent: 3, timeoutMs: 20_000 });
  const all = Array.from({ length: 8 }, () => verdict(by));
  for (let answered = 0; answered < 8; answered++) {
    await waitFor(() => service.held.length > 0, { what: 'a question' });
    assert.ok(service.questions.length <= answered + 3, `${String(service.questions.length)} at once`);
    service.held.shift()?.end('{"result":"deny"}');
  }
  assert.equal(await Promise.all(all), Array(8).fill(0x86));
});

test.run();
