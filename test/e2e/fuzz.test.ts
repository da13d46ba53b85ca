import { runNode } from '../fuzz/node.ts';
import { seedFor } from '../support/seed.ts';
import { assert, note, suite } from '../support/suite.ts';

/* Promise P7: some seconds of `make fuzz` against real nodes, with a new seed each time. */

const test = suite('e2e: fuzz');

const INPUTS = 2_000;

test(
  'sequences of packets over TCP: the nodes stay, and the well-behaved client has its messages in order',
  async () => {
    const seed = seedFor('fuzz: node');
    const { inputs, connections, control, goodbyes } = await runNode(seed, INPUTS, () => {});
    assert.ok(inputs >= INPUTS, `${String(inputs)} inputs`);
    assert.ok(control > 0 && goodbyes.size > 3, `${String(control)} messages, ${String(goodbyes.size)} last words`);
    note(`seed ${String(seed)}: ${String(inputs)} inputs on ${String(connections)} connections`);
  },
  { timeoutMs: 240_000 },
);

test.run();
