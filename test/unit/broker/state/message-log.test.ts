import { type LogCursor, Message, newCursor } from '@quorate/broker';
import { MessageLog } from '../../../../packages/broker/src/state/message-log.ts';
import { assert, suite } from '../../../support/suite.ts';

/* Reading a few at a time while messages come and go, and holes are taken out. */

const test = suite('state: message log');

function message(id: number): Message {
  return new Message(id, 't', 1, true, null, Number.POSITIVE_INFINITY, Buffer.alloc(0));
}

function rest(log: MessageLog, cursor: LogCursor): number[] {
  const ids: number[] = [];
  for (let next = log.next(cursor); next !== null; next = log.next(cursor)) ids.push(next.id);
  return ids;
}

/** 0 to count - 1 in an order that is none. */
function shuffled(count: number): number[] {
  return Array.from({ length: count }, (_, at) => (at * 7919) % count);
}

for (const count of [0, 1, 1023, 1024, 1025, 10_000]) {
  test(`${count} restored messages are in the order of their ids, whatever order they came in`, () => {
    const log = new MessageLog();
    for (const id of shuffled(count)) log.restore(message(id));
    for (const _ of log.restoring());
    assert.equal(
      rest(log, newCursor()),
      Array.from({ length: count }, (_, id) => id),
    );
  });
}

test('a cursor sees what stays exactly once, and nothing that has gone, also when places change', () => {
  const log = new MessageLog();
  const alive = new Map<number, Message>();
  const add = (id: number): void => {
    const added = message(id);
    alive.set(id, added);
    log.add(added);
  };
  const remove = (id: number): void => {
    const removed = alive.get(id);
    if (removed === undefined) return;
    alive.delete(id);
    log.remove(removed);
    log.remove(removed);
  };
  for (let id = 0; id < 6000; id++) add(id);
  const cursor = newCursor();
  const seen: number[] = [];
  const order = shuffled(6000);
  let next = 6000;
  for (let step = 0; step < 5000; step++) {
    remove(order[step] as number);
    if (step % 5 === 0) add(next++);
    if (step % 2 === 0) continue;
    const read = log.next(cursor);
    if (read === null) continue;
    assert.is(alive.get(read.id), read, `${read.id} has gone`);
    seen.push(read.id);
  }
  assert.ok(log.length < 2 * alive.size + 1100, `${log.length} places for ${alive.size}`);
  seen.push(...rest(log, cursor));
  assert.equal(
    seen,
    [...new Set(seen)].sort((a, b) => a - b),
    'in order and once',
  );
  for (const id of alive.keys()) assert.ok(seen.includes(id), `${id} was not seen`);
  assert.equal(
    rest(log, newCursor()),
    [...alive.keys()].sort((a, b) => a - b),
  );
  add(next);
  assert.equal(rest(log, cursor), [next]);
});

test.run();
