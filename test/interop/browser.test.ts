import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Browser, chromium, type Page } from 'playwright-core';
import { connect, disconnect, publish } from '../support/mqtt.ts';
import { assert, onFailure, suite } from '../support/suite.ts';
import { waitFor } from '../support/wait.ts';
import { InteropWorld } from './support/world.ts';

/* A page in Chromium, with the bundle that MQTT.js makes for browsers, over WebSocket. */

const test = suite('interop: a page in a browser');

const CHROMIUM = '/usr/bin/chromium';
const BUNDLE = readFileSync(new URL('../../node_modules/mqtt/dist/mqtt.min.js', import.meta.url));
/** Collects messages; `connect` takes several servers, of which MQTT.js tries the next when one is gone. */
const PAGE = `<!doctype html><meta charset="utf-8"><title>a page</title><script src="/mqtt.js"></script><script>
const inbox = [];
let client;
let connects = 0;
function start(ports, options) {
  const servers = ports.map((port) => ({ host: '127.0.0.1', port, protocol: 'ws' }));
  // With \`servers\` it forgets the path.
  const transformWsUrl = (_url, { port }) => 'ws://127.0.0.1:' + port + '/mqtt';
  client = mqtt.connect({ servers, transformWsUrl, reconnectPeriod: 100, ...options });
  client.on('message', (topic, payload, packet) => {
    inbox.push({ topic, payload: new TextDecoder().decode(payload), qos: packet.qos, retain: packet.retain });
  });
  client.on('connect', () => connects++);
}
</script>`;
const PATIENCE_MS = 60_000;

let world: InteropWorld;
let browser: Browser;
let server: Server;
let page: Page;
const consoleLines: string[] = [];

test.before(
  async () => {
    world = await InteropWorld.start();
    server = createServer((request, response) => {
      const isBundle = request.url === '/mqtt.js';
      response.setHeader('content-type', isBundle ? 'text/javascript' : 'text/html').end(isBundle ? BUNDLE : PAGE);
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    // Chromium's own sandbox does not work for root, as which containers run.
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
  },
  { timeoutMs: 120_000 },
);
test.before.each(async () => {
  consoleLines.length = 0;
  page = await browser.newPage();
  page.on('console', (message) => consoleLines.push(message.text()));
  page.on('pageerror', (error) => consoleLines.push(String(error)));
  await page.goto(`http://127.0.0.1:${String((server.address() as AddressInfo).port)}/`);
});
test.after.each(() => page.close());
test.after(async () => {
  await browser.close();
  server.close();
  await world.stop();
});
onFailure(() => `--- console of the page\n${consoleLines.join('\n')}`);

interface Message {
  readonly topic: string;
  readonly payload: string;
  readonly qos: number;
  readonly retain: boolean;
}

/** Runs JavaScript in the page. */
async function inPage<T>(script: string): Promise<T> {
  return page.evaluate<T>(script);
}

async function until(script: string): Promise<void> {
  await page.waitForFunction(script, undefined, { timeout: PATIENCE_MS });
}

async function start(nodes: readonly number[], options: object): Promise<void> {
  const ports = nodes.map((node) => world.webSocketPort(node));
  await inPage(`start(${JSON.stringify(ports)}, ${JSON.stringify(options)})`);
  await until('connects === 1');
}

const inbox = (): Promise<Message[]> => inPage<Message[]>('inbox');

for (const protocolVersion of [4, 5]) {
  const name = `level ${String(protocolVersion)}`;
  test(
    `${name}: publishes and receives in every QoS, across nodes`,
    async () => {
      await start([0], { protocolVersion, clientId: `page-${String(protocolVersion)}` });
      await inPage(`client.subscribeAsync('to/page/#', { qos: 2 })`);
      const other = await connect(world.port(1), { clientId: 'beside the page' });
      const received: string[] = [];
      other.on('message', (_topic, payload, { qos }) => received.push(`${payload.toString()} ${String(qos)}`));
      await other.subscribeAsync('from/page', { qos: 2 });
      // QoS 0 behind others: their acknowledgement means that the node knows of the subscription at the other one.
      for (const qos of [1, 2, 0] as const) {
        await publish(other, 'to/page/x', `qos ${String(qos)}`, { qos });
        await inPage(`client.publishAsync('from/page', 'qos ${String(qos)}', { qos: ${String(qos)} })`);
      }
      await until('inbox.length >= 3');
      const got = (await inbox()).map(({ payload, qos }) => `${payload} ${String(qos)}`);
      assert.equal(got.sort(), ['qos 0 0', 'qos 1 1', 'qos 2 2']);
      // Its own echo comes the same way.
      await inPage(`client.publishAsync('to/page/own', 'own', { qos: 2 })`);
      await until(`inbox.some(({ payload }) => payload === 'own')`);
      await waitFor(() => received.length >= 3, { what: 'three messages from the page', timeoutMs: PATIENCE_MS });
      assert.equal(received.sort(), ['qos 0 0', 'qos 1 1', 'qos 2 2']);
      await disconnect(other);
      await inPage('client.endAsync()');
    },
    { timeoutMs: 2 * PATIENCE_MS },
  );
}

test(
  'its node is killed: it goes on at another one, with its session and what came meanwhile',
  async () => {
    await start([2, 0, 1], {
      ...{ protocolVersion: 5, clientId: 'roaming-page', clean: false, resubscribe: false },
      properties: { sessionExpiryInterval: 600 },
    });
    await inPage(`client.subscribeAsync('roaming', { qos: 2 })`);
    const other = await connect(world.port(1), { clientId: 'beside the roaming page' });
    await publish(other, 'roaming', 'before', { qos: 2 });
    await until('inbox.length === 1');
    await world.node(2).kill('SIGKILL');
    for (const text of ['one', 'two', 'three']) await publish(other, 'roaming', text, { qos: 2 });
    // It has found another node, and what it publishes from there counts.
    await until('connects >= 2 && client.connected');
    await inPage(`client.publishAsync('roaming', 'from the page', { qos: 2 })`);
    await until(`inbox.some(({ payload }) => payload === 'from the page')`);
    const got = (await inbox()).map(({ payload }) => payload);
    assert.equal(got, ['before', 'one', 'two', 'three', 'from the page']);
    await disconnect(other);
    await inPage('client.endAsync()');
  },
  { timeoutMs: 3 * PATIENCE_MS },
);

test.run();
