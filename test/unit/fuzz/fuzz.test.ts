import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { AnswerCheck } from '../../fuzz/answers.ts';
import { runBroker } from '../../fuzz/broker.ts';
import { runCodec } from '../../fuzz/codec.ts';
import { Dice } from '../../fuzz/dice.ts';
import { kindOf, minimise } from '../../fuzz/failure.ts';
import { formatStep, inputsOf, makeScript, parseStep } from '../../fuzz/script.ts';
import { seedFor } from '../../support/seed.ts';
import { assert, note, suite } from '../../support/suite.ts';

/* A few seconds of `make fuzz` with a new seed each time, and whether it would see what it is there to see. */

const test = suite('fuzz');

const CODEC_INPUTS = 15_000;
const BROKER_INPUTS = 5_000;
/** What every decoder and broker must have been brought to say within so many inputs, whatever the seed. */
const USUAL_REFUSALS = ['TRUNCATED', 'INVALID_UTF8', 'PACKET_TOO_LARGE', 'INVALID_REMAINING_LENGTH', 'RESERVED_FLAGS'];

test('bytes through framer and decoders', async () => {
  const seed = seedFor('fuzz: codec');
  const { inputs, accepted, refused } = await runCodec(seed, CODEC_INPUTS, () => {});
  assert.is(inputs, CODEC_INPUTS);
  assert.ok(accepted > CODEC_INPUTS / 4, `${String(accepted)} were accepted`);
  for (const code of USUAL_REFUSALS) assert.ok(refused.has(code), `${code} is among what was refused`);
  note(`codec, seed ${String(seed)}: ${String(inputs)} inputs, ${String(refused.size)} kinds of refusal`);
});

test('sequences of packets through brokers', async () => {
  const seed = seedFor('fuzz: broker');
  const { inputs, connections, goodbyes } = await runBroker(seed, BROKER_INPUTS, () => {});
  assert.ok(inputs >= BROKER_INPUTS);
  assert.ok(goodbyes.size >= 3, `only ${String(goodbyes.size)} kinds of last words`);
  note(`broker, seed ${String(seed)}: ${String(inputs)} inputs, ${String(connections)} connections`);
});

test('a script is the same for the same seed, and after it was written down', () => {
  const options = { inputs: 300, maxConnections: 5 };
  const steps = makeScript(new Dice(7, 3), options);
  assert.is(inputsOf(steps), 300);
  assert.equal(steps, makeScript(new Dice(7, 3), options));
  assert.equal(steps.map(formatStep).map(parseStep), steps);
  assert.not.equal(steps, makeScript(new Dice(7, 4), options));
});

test('the smallest part that fails is found', async () => {
  const parts = Array.from({ length: 100 }, (_none, at) => at);
  let asked = 0;
  const least = await minimise(
    parts,
    (some) => {
      asked++;
      return some.includes(17) && some.includes(71);
    },
    1_000,
  );
  assert.equal(least, [17, 71]);
  assert.ok(asked < 200, `asked ${String(asked)} times`);
  assert.is(kindOf(new Error('of 12 came 0x1f: 30ff00')), kindOf(new Error('of 7 came 0x2: a0')));
});

/** A client of 5.0 that takes packets of up to 40 bytes and one alias. */
const CONNECT = '101600044d51545405020000082700000028220001000161';
const CONNACK = '2003000000';

/** What a server might send and must not. */
const WRONG: readonly (readonly [what: string, hex: string, error: RegExp])[] = [
  ['a packet before CONNACK', 'd000', /before CONNACK/],
  ['two of them', `${CONNACK}${CONNACK}`, /second CONNACK/],
  ['a code that is none', '2003000600', /no valid CONNACK/],
  ['a session in a refusal', '2003018800', /a session and a refusal/],
  ['something behind the refusal', '2003008800d000', /behind the last one/],
  ['something behind DISCONNECT', `${CONNACK}e0028100d000`, /behind the last one/],
  ['a reason that no server has', `${CONNACK}e0020400`, /code that is none/],
  ['what only a client sends', `${CONNACK}c000`, /no server sends/],
  ['flags', `${CONNACK}d100`, /wrong flags/],
  ['a packet larger than allowed', `${CONNACK}302d0001610000${'70'.repeat(40)}`, /more than 40 bytes/],
  ['an alias beyond the maximum', `${CONNACK}300700016103230002`, /alias 2 of at most 1/],
  ['an alias that was never set', `${CONNACK}3006000003230001`, /never set/],
  ['no topic', `${CONNACK}3003000000`, /without a topic/],
  ['no packet identifier', `${CONNACK}32060001610000 00`.replace(' ', ''), /packet identifier|can not read/],
  ['a length that lies', `${CONNACK}4003000100`.slice(0, -2), /in the middle/],
];

for (const [what, hex, error] of WRONG) {
  test(`the fuzzer sees ${what}`, () => {
    const check = new AnswerCheck();
    check.sent(Buffer.from(CONNECT, 'hex'));
    assert.throws(() => {
      check.received(Buffer.from(hex, 'hex'));
      check.closed();
    }, error);
  });
}

test('what a server may send passes', () => {
  const check = new AnswerCheck();
  check.sent(Buffer.from(CONNECT, 'hex'));
  const stream = Buffer.from(
    `${CONNACK}300700016103230001300600000323000132060001610001005002000170020001e0028200`,
    'hex',
  );
  // Byte by byte as well as in one.
  const replies = [...stream].flatMap((_byte, at) => check.received(stream.subarray(at, at + 1)));
  check.closed();
  assert.is(check.goodbye, 0x82);
  assert.equal(
    replies.map((reply) => reply.toString('hex')),
    ['40020001', '62020001'],
  );
});

test('an input that never ends ends the process, which says where it was', async () => {
  const program = `
    import { Watchdog } from ${JSON.stringify(new URL('../../fuzz/watchdog.ts', import.meta.url).href)};
    const watchdog = new Watchdog(400);
    watchdog.alive('codec, seed 1, number 7');
    while (true) {}
  `;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    errors += chunk;
  });
  const [, signal] = (await once(child, 'close')) as [number | null, string | null];
  assert.is(signal, 'SIGKILL');
  assert.match(errors, /HANGS: no end for 400 ms at codec, seed 1, number 7/);
});

test.run();
