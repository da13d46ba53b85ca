import { packet } from '../conformance/support/wire.ts';
import { type Dice, weighted } from './dice.ts';

type Mutation = (bytes: Buffer, dice: Dice) => Buffer;

/** Bytes at the edges of what fields can hold. */
const EDGES = [0x00, 0x01, 0x02, 0x7f, 0x80, 0xfe, 0xff, 0x23, 0x2b, 0x2f, 0xc0, 0xed];
/** Remaining lengths that say much, are not minimal, or do not end. */
const LENGTHS = ['00', '01', '7f', '8000', '8001', 'ff7f', 'ffff7f', 'ffffff7f', '808000', 'ffffffff', '8080808001'];

function cut(bytes: Buffer, dice: Dice): readonly [from: number, to: number] {
  const from = dice.below(bytes.length + 1);
  return [from, dice.between(from, Math.min(bytes.length, from + 40))];
}

const mutations = weighted<Mutation>([
  [4, (bytes, dice) => flip(bytes, dice)],
  [4, (bytes, dice) => replace(bytes, dice, dice.pick(EDGES))],
  [2, (bytes, dice) => replace(bytes, dice, dice.below(256))],
  [2, (bytes, dice) => bytes.subarray(0, dice.below(bytes.length + 1))],
  [2, (bytes, dice) => splice(bytes, dice, dice.bytes(dice.between(1, 8)))],
  [2, (bytes, dice) => splice(bytes, dice, Buffer.alloc(0))],
  [2, repeat],
  [6, (bytes, dice) => changeBody(bytes, dice)],
  // The byte behind the first one is the remaining length, or begins it.
  [
    2,
    (bytes, dice) => Buffer.concat([bytes.subarray(0, 1), Buffer.from(dice.pick(LENGTHS), 'hex'), bytes.subarray(2)]),
  ],
  [1, (bytes, dice) => Buffer.concat([bytes, dice.bytes(dice.between(1, 20))])],
  [1, (bytes) => Buffer.concat([bytes, bytes])],
]);

/** What is behind the fixed header is changed, and its length is right: so it gets through the framer. */
function changeBody(bytes: Buffer, dice: Dice): Buffer {
  let at = 1;
  while (at < 5 && (bytes[at] ?? 0) >= 0x80) at++;
  const body = bytes.subarray(at + 1);
  const change = dice.below(3);
  if (change === 0) return packet(bytes[0] ?? 0, body.subarray(0, dice.below(body.length + 1)));
  return packet(bytes[0] ?? 0, change === 1 ? splice(body, dice, dice.bytes(dice.below(4))) : repeat(body, dice));
}

function flip(bytes: Buffer, dice: Dice): Buffer {
  const copy = Buffer.from(bytes);
  if (copy.length > 0) copy[dice.below(copy.length)]! ^= 1 << dice.below(8);
  return copy;
}

function replace(bytes: Buffer, dice: Dice, by: number): Buffer {
  const copy = Buffer.from(bytes);
  if (copy.length > 0) copy[dice.below(copy.length)] = by;
  return copy;
}

/** A piece is gone, with `instead` in its place. */
function splice(bytes: Buffer, dice: Dice, instead: Buffer): Buffer {
  const [from, to] = cut(bytes, dice);
  return Buffer.concat([bytes.subarray(0, from), instead, bytes.subarray(to)]);
}

/** A piece is there twice. */
function repeat(bytes: Buffer, dice: Dice): Buffer {
  const [from, to] = cut(bytes, dice);
  return Buffer.concat([bytes.subarray(0, to), bytes.subarray(from)]);
}

/** Changes a packet so that it is a bad one most of the time. */
export function mutate(bytes: Buffer, dice: Dice): Buffer {
  let mutated = bytes;
  for (let left = dice.between(1, 3); left > 0; left--) mutated = mutations(dice)(mutated, dice);
  return mutated;
}
