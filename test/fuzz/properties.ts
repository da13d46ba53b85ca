import { binary, type Part, uint16, uint32, variableInteger } from '../conformance/support/wire.ts';
import type { Dice } from './dice.ts';

/** Where properties stand. `passing`: of a CONNECT whose session nobody will ask for again. */
export type Place = 'connect' | 'passing' | 'will' | 'publish' | 'subscribe' | 'ack' | 'disconnect' | 'auth';

type Value = (dice: Dice) => Part;

const flag: Value = (dice) => (dice.oddly(20) ? 2 : dice.below(2));
/** 0 is an error for some. */
const short: Value = (dice) => uint16(dice.oddly(10) ? 0 : dice.pick([1, 2, 10, 32, 33, 0xffff]));
const alias: Value = (dice) => uint16(dice.oddly(10) ? dice.pick([0, 33, 0xffff]) : dice.between(1, 3));
const integer: Value = (dice) => uint32(dice.pick([0, 1, 2, 10, 100, 0xfffffffe, 0xffffffff]));
/** Sizes that let some answers through and not others. */
const size: Value = (dice) =>
  uint32(dice.oddly(3) ? dice.pick([0, 1, 2, 20]) : dice.pick([40, 100, 1_000, 0xffffffff]));
const passing: Value = (dice) => uint32(dice.pick([0, 1, 2]));
const text: Value = (dice) => (dice.oddly(10) ? '' : dice.pick(['text', 'répondre', 'f/a', 'x'.repeat(200)]));
const data: Value = (dice) => binary(dice.bytes(dice.below(20)));
const identifier: Value = (dice) => variableInteger(dice.oddly(10) ? 0 : dice.pick([1, 127, 128, 268_435_455]));
const pair: Value = (dice) => [dice.pick(['k', 'key', '']), dice.pick(['v', 'value', ''])];

/** Every property of MQTT 5.0 table 2-4. */
const VALUES: ReadonlyMap<number, Value> = new Map([
  [0x01, flag],
  [0x02, integer],
  [0x03, text],
  [0x08, text],
  [0x09, data],
  [0x0b, identifier],
  [0x11, integer],
  [0x12, text],
  [0x13, short],
  [0x15, text],
  [0x16, data],
  [0x17, flag],
  [0x18, integer],
  [0x19, flag],
  [0x1a, text],
  [0x1c, text],
  [0x1f, text],
  [0x21, short],
  [0x22, short],
  [0x23, alias],
  [0x24, flag],
  [0x25, flag],
  [0x26, pair],
  [0x27, size],
  [0x28, flag],
  [0x29, flag],
  [0x2a, flag],
]);
const ALL = [...VALUES.keys()];

const MESSAGE = [0x01, 0x02, 0x03, 0x08, 0x09, 0x26];
/** Authentication (0x15, 0x16) is left to chance: nobody is let in with it. */
const AT: Readonly<Record<Place, readonly number[]>> = {
  connect: [0x11, 0x17, 0x19, 0x21, 0x22, 0x26, 0x27],
  passing: [0x17, 0x19, 0x21, 0x22, 0x26],
  will: [0x18, ...MESSAGE],
  publish: [0x23, 0x23, ...MESSAGE],
  subscribe: [0x0b, 0x26],
  ack: [0x1f, 0x26],
  disconnect: [0x11, 0x1f, 0x26],
  auth: [0x15, 0x16, 0x1f, 0x26],
};

/** Some properties, mostly such as are allowed there, each once. */
export function properties(dice: Dice, place: Place): Part[] {
  const chosen = new Set<number>();
  for (let left = dice.below(4); left > 0; left--) chosen.add(dice.pick(AT[place]));
  const ids = [...chosen];
  if (dice.oddly(50)) ids.push(dice.pick(ALL));
  if (dice.oddly(100)) ids.push(...ids);
  const parts: Part[] = ids.map((id) => [id, (VALUES.get(id) as Value)(dice)]);
  if (place === 'passing' && dice.oneIn(3)) parts.push([0x11, passing(dice)]);
  if (dice.oddly(200)) parts.push(Array.from({ length: 300 }, () => [0x26, pair(dice)]));
  return parts;
}
