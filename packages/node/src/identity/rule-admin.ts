import { randomBytes } from 'node:crypto';
import { DocumentCollection, StateLimits } from '@quorate/broker';
import type { Changed, Page } from '../http/identity-admin.ts';
import type { AdminResult } from '../http/node-admin.ts';
import { type AclRule, completeRule, type GivenRule, RULE_LIMITS, ruleProblem } from './acl/rules.ts';
import { encodeRules, RULES_NAME } from './acl/stored-rules.ts';
import { type ChangeDocument, changeByNow, done, refusal } from './changes.ts';
import type { Directory } from './directory.ts';

const ID = /^[A-Za-z0-9_-]{1,64}$/;
const NOT_CHANGED = 'The access rules were not changed';

function newId(): string {
  return randomBytes(4).toString('hex');
}

/** Why these can not be the rules; null when they can. */
function problemOf(rules: readonly AclRule[]): AdminResult | null {
  const ids = new Set(rules.map(({ id }) => id));
  if (ids.size < rules.length) return refusal('INVALID', 'Two rules have the same id: expected each id once');
  const sizeBytes = encodeRules(rules).length;
  if (rules.length <= RULE_LIMITS.rules && sizeBytes <= StateLimits.documentBytes) return null;
  const most = `${String(RULE_LIMITS.rules)} rules of ${String(StateLimits.documentBytes)} bytes together`;
  return refusal(
    'LIMIT_REACHED',
    `${String(rules.length)} rules are ${String(sizeBytes)} bytes: expected at most ${most}`,
  );
}

function givenProblem(rule: GivenRule): AdminResult | null {
  const problem =
    rule.id !== undefined && !ID.test(rule.id)
      ? `id is ${JSON.stringify(rule.id.slice(0, 80))}: expected 1 to 64 letters, digits, - and _`
      : ruleProblem(rule);
  return problem === null ? null : refusal('INVALID', problem);
}

/** Changes the access rules, which are one document: their order is part of what they mean. */
export class RuleAdmin {
  readonly #directory: Directory;
  readonly #change: ChangeDocument;

  constructor(directory: Directory, change: ChangeDocument) {
    this.#directory = directory;
    this.#change = change;
  }

  list(after: string | null, limit: number): Page<AclRule> {
    const { rules } = this.#directory;
    // Rules are few. One that is gone meanwhile ends the list: its place is not known.
    const at = after === null ? -1 : rules.findIndex(({ id }) => id === after);
    const from = after !== null && at < 0 ? rules.length : at + 1;
    const data = rules.slice(from, from + limit);
    return { data, next: from + limit < rules.length ? (data.at(-1)?.id ?? null) : null };
  }

  async add(given: GivenRule, position: number | null): Promise<Changed<AclRule>> {
    const problem = givenProblem(given);
    if (problem !== null) return problem;
    const rule = completeRule(given, given.id ?? newId());
    const failure = await this.#write((rules) => {
      if (rules.some(({ id }) => id === rule.id)) {
        return refusal('ALREADY_EXISTS', `There is a rule ${rule.id} already`);
      }
      const at = Math.min(position ?? rules.length, rules.length);
      return [...rules.slice(0, at), rule, ...rules.slice(at)];
    });
    return failure ?? { ...done('The rule was added'), value: rule };
  }

  async remove(ruleId: string): Promise<AdminResult> {
    const failure = await this.#write((rules) => {
      const rest = rules.filter(({ id }) => id !== ruleId);
      return rest.length < rules.length ? rest : refusal('NOT_FOUND', `There is no rule ${ruleId}`);
    });
    return failure ?? done(`Rule ${ruleId} is gone`);
  }

  async replace(given: readonly GivenRule[]): Promise<Changed<readonly AclRule[]>> {
    for (const [at, each] of given.entries()) {
      const problem = givenProblem(each);
      if (problem !== null) return refusal(problem.code, `rules.${String(at)}: ${problem.reason}`);
    }
    const value = given.map((each) => completeRule(each, each.id ?? newId()));
    return (await this.#write(() => value)) ?? { ...done('These are the rules now'), value };
  }

  async #write(next: (rules: readonly AclRule[]) => readonly AclRule[] | AdminResult): Promise<AdminResult | null> {
    return await changeByNow(this.#change, NOT_CHANGED, () => {
      const { rules: now, rulesRevision, policy } = this.#directory;
      // Written by a later version: to change them here would lose what this one does not know.
      if (policy === null) {
        return { refused: refusal('NOT_AVAILABLE', 'This node can not read the access rules: upgrade it') };
      }
      const rules = next(now);
      if ('code' in rules) return { refused: rules };
      const problem = problemOf(rules);
      if (problem !== null) return { refused: problem };
      const content = { bytes: encodeRules(rules), expiresInMs: null };
      const expected = rulesRevision ?? 'absent';
      return { command: { collection: DocumentCollection.aclRules, name: RULES_NAME, expected, content } };
    });
  }
}
