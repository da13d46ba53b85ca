import { type Dice, weighted } from './dice.ts';
import { connect, DIALECTS, type Dialect, input } from './grammar.ts';
import { mutate } from './mutate.ts';

/** One thing that happens to a broker. Connections are numbered in the order they are opened. */
export type Step =
  /** A polite client acknowledges what it is sent. */
  | { readonly kind: 'open'; readonly at: number; readonly node: number; readonly isPolite: boolean }
  /** One input, in pieces that leave one after the other. */
  | { readonly kind: 'send'; readonly at: number; readonly pieces: readonly Buffer[] }
  /** Closes its side; resets; says nothing any more and stays; does not read; reads again. */
  | { readonly kind: 'end' | 'reset' | 'vanish' | 'deafen' | 'hear'; readonly at: number }
  | { readonly kind: 'wait'; readonly ms: number }
  /** A message of the well-behaved client. */
  | { readonly kind: 'control' }
  /** The leader changes, where that is in the fuzzer's hands. */
  | { readonly kind: 'leader' };

export interface ScriptOptions {
  /** How many inputs are sent. */
  readonly inputs: number;
  readonly maxConnections: number;
}

/** One in so many inputs is broken. */
const BROKEN_ONE_IN = 60;
const NODES = 3;

interface Line {
  readonly at: number;
  readonly dialect: Dialect;
  /** Knows the protocol, so that it stays long and gets far: for what needs many steps to go wrong. */
  readonly isCareful: boolean;
  isConnected: boolean;
  /** The server will have closed it by now. */
  isOver: boolean;
}

const actions = weighted<
  'send' | 'open' | 'end' | 'reset' | 'vanish' | 'deafen' | 'hear' | 'wait' | 'control' | 'leader'
>([
  [200, 'send'],
  [3, 'open'],
  [1, 'end'],
  [1, 'reset'],
  [1, 'vanish'],
  [1, 'deafen'],
  [3, 'hear'],
  [6, 'wait'],
  [4, 'control'],
  [1, 'leader'],
]);

/** What several clients do at the same time, some of them under the same client id. */
export function makeScript(dice: Dice, options: ScriptOptions): Step[] {
  const steps: Step[] = [];
  const lines: Line[] = [];
  let opened = 0;
  const open = (): void => {
    if (lines.length >= options.maxConnections) drop(steps, lines, dice);
    const line = {
      at: opened++,
      dialect: dice.pick(DIALECTS),
      isCareful: dice.oneIn(2),
      isConnected: false,
      isOver: false,
    };
    lines.push(line);
    steps.push({ kind: 'open', at: line.at, node: dice.below(NODES), isPolite: line.isCareful || dice.oneIn(3) });
  };
  for (let sent = 0; sent < options.inputs; ) {
    const action = actions(dice);
    if (action === 'open' || lines.length === 0) open();
    else if (action === 'send') {
      steps.push(send(dice, lines));
      sent++;
    } else if (action === 'wait') steps.push({ kind: 'wait', ms: dice.pick([0, 0, 1, 1, 5, 60]) });
    else if (action === 'control' || action === 'leader') steps.push({ kind: action });
    else {
      const line = dice.pick(lines);
      steps.push({ kind: action, at: line.at });
      if (action !== 'deafen' && action !== 'hear') lines.splice(lines.indexOf(line), 1);
    }
  }
  return steps;
}

/** One of the connections ends, to make room. */
function drop(steps: Step[], lines: Line[], dice: Dice): void {
  const [line] = lines.splice(dice.below(lines.length), 1) as [Line];
  steps.push({ kind: dice.oneIn(2) ? 'end' : 'reset', at: line.at });
}

function send(dice: Dice, lines: Line[]): Step {
  const line = dice.pick(lines);
  let bytes: Buffer;
  dice.isCareful = line.isCareful;
  if (line.isConnected || dice.oddly(80)) {
    const made = input(dice, line.dialect, BROKEN_ONE_IN);
    bytes = made.bytes;
    line.isOver ||= made.isLast || !line.isConnected;
  } else {
    line.isConnected = true;
    bytes = connect(dice, line.dialect);
    if (dice.oddly(BROKEN_ONE_IN)) {
      bytes = mutate(bytes, dice);
      line.isOver = true;
    }
  }
  dice.isCareful = false;
  // What comes behind the last packet should be tried, too, but not often.
  if (line.isOver && dice.oneIn(2)) lines.splice(lines.indexOf(line), 1);
  return { kind: 'send', at: line.at, pieces: dice.oneIn(5) ? inPieces(bytes, dice) : [bytes] };
}

/** At up to four places, the fixed header among them. */
export function inPieces(bytes: Buffer, dice: Dice): Buffer[] {
  const places = Array.from({ length: dice.between(1, 4) }, () => dice.below(Math.min(bytes.length, 300) + 1));
  places.sort((a, b) => a - b);
  return [0, ...places].map((from, at) => bytes.subarray(from, places[at] ?? bytes.length));
}

export function inputsOf(steps: readonly Step[]): number {
  return steps.filter((step) => step.kind === 'send').length;
}

// As text, one step a line, to be repeated.

export function formatStep(step: Step): string {
  switch (step.kind) {
    case 'open':
      return `open ${step.at} ${step.node} ${step.isPolite ? 'polite' : 'rude'}`;
    case 'send':
      return `send ${step.at} ${step.pieces.map((piece) => piece.toString('hex')).join(',')}`;
    case 'wait':
      return `wait ${step.ms}`;
    case 'control':
    case 'leader':
      return step.kind;
    default:
      return `${step.kind} ${step.at}`;
  }
}

export function parseStep(line: string): Step {
  const [kind, first, second, third] = line.split(' ');
  const at = Number(first);
  switch (kind) {
    case 'open':
      return { kind, at, node: Number(second), isPolite: third === 'polite' };
    case 'send':
      return { kind, at, pieces: (second ?? '').split(',').map((hex) => Buffer.from(hex, 'hex')) };
    case 'wait':
      return { kind, ms: at };
    case 'control':
    case 'leader':
      return { kind };
    case 'end':
    case 'reset':
    case 'vanish':
    case 'deafen':
    case 'hear':
      return { kind, at };
    default:
      throw new Error(`not a step: ${line}`);
  }
}
