import type { QoS } from '@quorate/protocol';
import { Fields, fieldsOf, UnknownDocument } from '../stored.ts';
import { type AclRule, type RuleSubject, ruleProblem } from './rules.ts';

/** All rules are one document: their order is part of what they mean, and they are replaced together. */
export const RULES_NAME = 'rules';
const VERSION = 1;

export function encodeRules(rules: readonly AclRule[]): Buffer {
  return Buffer.from(JSON.stringify({ version: VERSION, rules }));
}

function oneOf<T extends string>(fields: Fields, name: string, values: readonly T[]): T {
  const value = fields.text(name);
  const found = values.find((each) => each === value);
  if (found === undefined) throw new UnknownDocument(`${name} ${value} of a rule is not known to this version`);
  return found;
}

function subjectOf(fields: Fields): RuleSubject {
  if (typeof fields.value('who') === 'string')
    return oneOf(fields, 'who', ['all', 'authenticated', 'anonymous'] as const);
  const who = fields.group('who');
  if (who.value('user') !== undefined) return { user: who.text('user') };
  if (who.value('clientId') !== undefined) return { clientId: who.text('clientId') };
  return { address: who.text('address') };
}

function qosOf(values: readonly unknown[]): QoS[] {
  return values.map((value) => {
    if (value === 0 || value === 1 || value === 2) return value;
    throw new UnknownDocument('the QoS of a rule is not known to this version');
  });
}

function ruleOf(value: unknown): AclRule {
  if (typeof value !== 'object' || value === null) throw new UnknownDocument('a rule is not an object');
  const fields = new Fields(value as Readonly<Record<string, unknown>>);
  const rule: AclRule = {
    id: fields.text('id'),
    permission: oneOf(fields, 'permission', ['allow', 'deny']),
    who: subjectOf(fields),
    action: oneOf(fields, 'action', ['publish', 'subscribe', 'all']),
    topics: fields.list('topics').map((topic) => String(topic)),
    qos: fields.value('qos') === null ? null : qosOf(fields.list('qos')),
    retain: fields.value('retain') === null ? null : fields.boolean('retain'),
  };
  const problem = ruleProblem(rule);
  if (problem !== null) throw new UnknownDocument(`a rule is not as this version knows it (${problem})`);
  return rule;
}

/** @throws {UnknownDocument} when this version can not read them */
export function decodeRules(bytes: Uint8Array): AclRule[] {
  return fieldsOf(bytes, VERSION).list('rules').map(ruleOf);
}
