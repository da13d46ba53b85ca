import type { Operation, PublishOperation, SubscribeOperation } from '../history/operation.ts';
import { at, type Checker, Findings } from './checker.ts';
import { checkLinearizable, type RegisterOperation } from './linearizability.ts';
import { byClient, connectionsOf } from './timeline.ts';
import { type Contradiction, contradictionOf } from './unique-register.ts';

/** An operation on a register, with what it was made from. */
interface Traced extends RegisterOperation {
  readonly from: readonly [Operation, ...Operation[]];
}

function add(registers: Map<string, Traced[]>, key: string, operation: Traced): void {
  const list = registers.get(key);
  if (list === undefined) registers.set(key, [operation]);
  else list.push(operation);
}

function writeOf(publish: PublishOperation): Traced {
  const { value, beginMs, outcome } = publish;
  const endMs = outcome === 'ok' ? publish.endMs : Number.POSITIVE_INFINITY;
  return { kind: 'write', value: value === '' ? null : value, beginMs, endMs, from: [publish] };
}

/**
 * What one SUBSCRIBE read: the retained message that came for its topic before anything ended it; or that there was none,
 * when a message that the client published to itself after the SUBACK came without one. Else nothing is known.
 *
 * @param after what the client did and saw on this connection from the SUBSCRIBE on
 */
function readOf(subscribe: SubscribeOperation, after: readonly Operation[]): Traced | null {
  const { filter, beginMs, endMs } = subscribe;
  const fences = new Set<string>();
  for (const operation of after) {
    if (operation.kind === 'publish' && operation.beginMs >= endMs) fences.add(operation.value);
    if ((operation.kind === 'unsubscribe' || operation.kind === 'subscribe') && operation.filter === filter) break;
    if (operation.kind !== 'deliver') continue;
    if (operation.retain && operation.topic === filter) {
      return { kind: 'read', value: operation.value, beginMs, endMs, from: [subscribe, operation] };
    }
    if (fences.has(operation.value)) return { kind: 'read', value: null, beginMs, endMs, from: [subscribe, operation] };
  }
  return null;
}

function registersOf(operations: readonly Operation[]): Map<string, Traced[]> {
  const registers = new Map<string, Traced[]>();
  for (const list of byClient(operations).values()) {
    for (const operation of list) {
      if (operation.kind !== 'publish' || !operation.retain || operation.outcome === 'fail') continue;
      add(registers, operation.topic, writeOf(operation));
    }
    for (const connection of connectionsOf(list)) {
      for (const [place, operation] of connection.operations.entries()) {
        if (operation.kind !== 'subscribe' || operation.outcome !== 'ok') continue;
        const read = readOf(operation, connection.operations.slice(place + 1));
        if (read !== null) add(registers, operation.filter, read);
      }
    }
  }
  return registers;
}

function tell(operation: Traced): string {
  const { client, node } = operation.from[0];
  const endMs = operation.endMs === Number.POSITIVE_INFINITY ? 'open' : at(operation.endMs);
  const what = operation.value === null ? 'nothing' : operation.value;
  const verb = operation.kind === 'write' ? 'wrote' : 'read';
  return `${client} ${verb} ${what} on ${node} (${at(operation.beginMs)} to ${endMs})`;
}

const WHY = {
  'from nowhere': 'nobody wrote what was read',
  'too early': 'it was read before it was written',
  stale: 'these can not have happened in any one order',
} as const;

function report(findings: Findings, key: string, contradiction: Contradiction<Traced>): void {
  const { kind, operations } = contradiction;
  const sentence = `${key}: ${operations.map(tell).join('; ')}: ${WHY[kind]}`;
  findings.add(
    kind === 'stale' ? 'not linearizable' : kind,
    'P3',
    sentence,
    operations.flatMap(({ from }) => from),
  );
}

/** Registers that hold different values each have the quick proof; others are searched. */
function checkRegister(findings: Findings, key: string, operations: readonly Traced[]): void {
  const written = operations.filter(({ kind }) => kind === 'write').map(({ value }) => value);
  findings.figure('registers', 1);
  findings.figure('writes', written.length);
  findings.figure('writes unknown', operations.filter(({ endMs }) => endMs === Number.POSITIVE_INFINITY).length);
  findings.figure('reads', operations.length - written.length);
  if (!written.includes(null) && new Set(written).size === written.length) {
    const contradiction = contradictionOf(operations);
    if (contradiction !== null) report(findings, key, contradiction);
    return;
  }
  const verdict = checkLinearizable(operations);
  if (verdict === 'undecided')
    findings.undecided(`${key}: too many operations were open at a time to try all their orders`);
  if (verdict === 'not linearizable') {
    const sentence = `${key}: no order of its ${operations.length} operations explains what was read`;
    findings.add('not linearizable', 'P3', sentence, operations.flatMap(({ from }) => from).slice(0, 100));
  }
}

/** Each topic with retained messages is a linearizable register: PUBLISH to its acknowledgement writes, SUBSCRIBE to SUBACK reads. */
export const checkRegisters: Checker = ({ operations }) => {
  const findings = new Findings('register');
  for (const [key, list] of registersOf(operations)) checkRegister(findings, key, list);
  return findings.result();
};
