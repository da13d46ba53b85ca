import { assert, suite } from '../support/suite.ts';
import { Program, run } from './support/program.ts';
import { fixture, InteropWorld } from './support/world.ts';

/* mosquitto_pub, mosquitto_sub and mosquitto_rr, each against another node. */

const test = suite('interop: mosquitto clients');

const VERSIONS = ['mqttv31', 'mqttv311', 'mqttv5'] as const;

let world: InteropWorld;

test.before(
  async () => {
    world = await InteropWorld.start();
  },
  { timeoutMs: 90_000 },
);
test.after(() => world.stop());

const at = (node: number): string[] => ['-h', '127.0.0.1', '-p', String(world.port(node))];

/** A mosquitto_sub that has its SUBACK. */
async function subscriber(node: number, ...args: readonly string[]): Promise<Program> {
  const program = new Program('stdbuf', ['-oL', 'mosquitto_sub', '-d', ...at(node), ...args]);
  await program.line('SUBACK', (line) => line.startsWith('Subscribed '));
  return program;
}

const isDebug = (line: string): boolean => /^(?:Client |Subscribed )/.test(line);

/** What a mosquitto_sub has printed besides its debug lines, once there are as many. */
async function printed(program: Program, count: number): Promise<string[]> {
  const messages = (): string[] => program.lines.filter((line) => !isDebug(line));
  await program.line(`${String(count)} messages`, () => messages().length >= count);
  return messages();
}

for (const version of VERSIONS) {
  test(`${version}: QoS 0 to 2 from one node to another`, async () => {
    const topic = `mosquitto/${version}`;
    const sub = await subscriber(0, '-V', version, '-t', `${topic}/#`, '-q', '2', '-F', '%t %p %q');
    for (const qos of ['0', '1', '2']) {
      await run('mosquitto_pub', ...at(1), '-V', version, '-t', `${topic}/${qos}`, '-m', `with ${qos}`, '-q', qos);
    }
    const got = (await printed(sub, 3)).sort();
    assert.equal(
      got,
      ['0', '1', '2'].map((qos) => `${topic}/${qos} with ${qos} ${qos}`),
    );
    await sub.kill();
  });

  test(`${version}: lines of stdin, in order`, async () => {
    const topic = `lines/${version}`;
    const sub = await subscriber(2, '-V', version, '-t', topic, '-q', '1', '-F', '%p');
    const pub = new Program('mosquitto_pub', [...at(0), '-V', version, '-t', topic, '-q', '1', '-l']);
    const wanted = Array.from({ length: 50 }, (_none, line) => `line ${String(line)}`);
    for (const line of wanted) pub.write(line);
    assert.equal(await printed(sub, 50), wanted);
    await Promise.all([sub, pub].map((each) => each.kill()));
  });

  test(`${version}: a retained message, and its removal`, async () => {
    const topic = `kept/${version}`;
    const pub = (...args: readonly string[]): Promise<string[]> =>
      run('mosquitto_pub', ...at(0), '-V', version, '-t', topic, '-q', '1', '-r', ...args);
    await pub('-m', 'kept');
    const read = ['-V', version, '-t', topic, '-q', '1', '-F', '%p %r'];
    assert.equal(await run('mosquitto_sub', ...at(1), ...read, '-C', '1'), ['kept 1']);
    await pub('-n');
    const sub = await subscriber(2, ...read);
    await run('mosquitto_pub', ...at(0), '-V', version, '-t', topic, '-q', '1', '-m', 'the end');
    assert.equal(await printed(sub, 1), ['the end 0']);
    await sub.kill();
  });

  test(`${version}: a will, when the client is killed`, async () => {
    const topic = `will/${version}`;
    const sub = await subscriber(0, '-V', version, '-t', topic, '-q', '1', '-F', '%p %q');
    const will = ['--will-topic', topic, '--will-payload', 'broken', '--will-qos', '1'];
    const mortal = await subscriber(1, '-V', version, '-t', 'nothing', ...will);
    await mortal.kill('SIGKILL');
    assert.equal(await printed(sub, 1), ['broken 1']);
    await sub.kill();
  });

  test(`${version}: a session is kept and resumed on another node`, async () => {
    const topic = `session/${version}`;
    const expiry = version === 'mqttv5' ? ['-x', '600'] : [];
    const session = ['-V', version, '-i', `kept-${version}`, '-c', ...expiry, '-t', topic, '-q', '2', '-F', '%p'];
    await run('mosquitto_sub', ...at(0), ...session, '-E');
    const wanted = ['one', 'two', 'three'];
    for (const text of wanted) {
      await run('mosquitto_pub', ...at(1), '-V', version, '-t', topic, '-m', text, '-q', '2');
    }
    assert.equal(await run('mosquitto_sub', ...at(2), ...session, '-C', '3'), wanted);
  });
}

test('5.0: properties', async () => {
  const format = '%p|%C|%D|%P|%R|%F';
  const sub = await subscriber(1, '-V', '5', '-t', 'properties', '-q', '1', '-F', format);
  const properties = [
    ['content-type', 'text/plain'],
    ['correlation-data', 'abc'],
    ['response-topic', 'answers'],
    ['payload-format-indicator', '1'],
  ].flatMap((pair) => ['-D', 'publish', ...pair]);
  const pairs = ['-D', 'publish', 'user-property', 'colour', 'blue', '-D', 'publish', 'user-property', 'size', '7'];
  await run('mosquitto_pub', ...at(2), '-V', '5', '-t', 'properties', '-m', 'x', '-q', '1', ...properties, ...pairs);
  assert.equal(await printed(sub, 1), ['x|text/plain|abc|colour:blue size:7|answers|1']);
  await sub.kill();
});

test('5.0: what is left of the message expiry', async () => {
  const expiry = ['-D', 'publish', 'message-expiry-interval', '600'];
  await run('mosquitto_pub', ...at(0), '-V', '5', '-t', 'expiry', '-m', 'x', '-q', '1', '-r', ...expiry);
  const [left] = await run('mosquitto_sub', ...at(1), '-V', '5', '-t', 'expiry', '-C', '1', '-F', '%E');
  assert.ok(Number(left) > 500 && Number(left) <= 600, `${String(left)} s are left of 600`);
});

test('5.0: request and response through mosquitto_rr', async () => {
  const server = await subscriber(0, '-V', '5', '-t', 'requests', '-q', '1', '-F', '%R %D %p');
  const asking = run(
    ...(['mosquitto_rr', ...at(1), '-V', '5', '-t', 'requests', '-e', 'responses/rr', '-m', 'question'] as const),
    ...(['-q', '1', '-D', 'publish', 'correlation-data', '42'] as const),
  );
  const [request] = await printed(server, 1);
  assert.is(request, 'responses/rr 42 question');
  const data = ['-D', 'publish', 'correlation-data', '42'];
  await run('mosquitto_pub', ...at(2), '-V', '5', '-t', 'responses/rr', '-m', 'answer', '-q', '1', ...data);
  assert.equal(await asking, ['answer']);
  await server.kill();
});

test('5.0: retained messages: only those, none of them, as published, and removed', async () => {
  await run('mosquitto_pub', ...at(0), '-V', '5', '-t', 'options', '-m', 'kept', '-q', '1', '-r');
  const read = ['-V', '5', '-t', 'options', '-q', '1', '-F', '%p %r'];
  assert.equal(await run('mosquitto_sub', ...at(2), ...read, '--retained-only', '-C', '1'), ['kept 1']);
  const fresh = await subscriber(1, ...read, '-R');
  const published = await subscriber(2, ...read, '--retain-as-published');
  await run('mosquitto_pub', ...at(0), '-V', '5', '-t', 'options', '-m', 'new', '-q', '1', '-r');
  assert.equal(await printed(fresh, 1), ['new 0']);
  assert.equal(await printed(published, 2), ['kept 1', 'new 1']);
  // It publishes the removal itself, and ends with 27 when its time is over and no further one came.
  await new Program('mosquitto_sub', [...at(1), ...read, '--remove-retained', '--retained-only', '-W', '2']).ended();
  const late = await subscriber(2, ...read);
  await run('mosquitto_pub', ...at(0), '-V', '5', '-t', 'options', '-m', 'the end', '-q', '1');
  assert.equal(await printed(late, 1), ['the end 0']);
  await Promise.all([fresh, published, late].map((each) => each.kill()));
});

test('TLS, with the certificate checked', async () => {
  const secure = (node: number): string[] => [
    ...['-h', 'localhost', '-p', String(world.tlsPort(node)), '--cafile', fixture('ca.pem')],
  ];
  const sub = await subscriber(0, '-t', 'secret', '-q', '2', '-F', '%p');
  await run('mosquitto_pub', ...secure(1), '-t', 'secret', '-m', 'over TLS', '-q', '2');
  assert.equal(await printed(sub, 1), ['over TLS']);
  await sub.kill();
});

test('900 KiB in each QoS', async () => {
  const text = 'x'.repeat(900 * 1024);
  const sub = await subscriber(0, '-t', 'large', '-q', '2', '-F', '%l');
  for (const qos of ['0', '1', '2']) {
    const pub = new Program('mosquitto_pub', [...at(1), '-t', 'large', '-q', qos, '-l']);
    pub.write(text);
    await printed(sub, Number(qos) + 1);
    await pub.kill();
  }
  assert.equal(await printed(sub, 3), Array(3).fill(String(text.length)));
  await sub.kill();
});

test.run();
