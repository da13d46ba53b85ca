import { topicMatches } from '@quorate/protocol';
import type { AccessAnswer, AccessQuestion } from '../http/identity-admin.ts';
import { isRuleFor } from './acl/policy.ts';
import type { AclRule } from './acl/rules.ts';
import { fillTopic, literalOf, type Subject } from './acl/template.ts';
import type { Directory } from './directory.ts';

/** The rule that decides about a topic, looked for one by one. */
function decidingRule(rules: readonly AclRule[], subject: Subject, question: AccessQuestion): AclRule | undefined {
  const { topic, qos, retain } = question;
  return rules.find((rule) => {
    if (!isRuleFor(rule.who, subject) || rule.action === 'subscribe') return false;
    if (rule.qos !== null && !rule.qos.includes(qos)) return false;
    if (rule.retain !== null && rule.retain !== retain) return false;
    return rule.topics.some((each) => {
      const literal = literalOf(each);
      const { filter, complete } = fillTopic(literal ?? each, subject);
      if (!complete && rule.permission === 'allow') return false;
      return topicMatches(filter, topic) && (!complete || literal === null || !/[+#]/.test(literal));
    });
  });
}

/** What the rules say of a client that might come, and why. */
export function testAccess(directory: Directory, otherwise: boolean, question: AccessQuestion): AccessAnswer {
  const { clientId, userName, address, action, topic, qos, retain } = question;
  if (userName !== null && directory.users.get(userName)?.superuser === true) {
    return { allowed: true, rule: null, reason: `user ${userName} is a superuser: rules do not hold for it` };
  }
  const { policy, rules } = directory;
  if (policy === null) {
    return { allowed: false, rule: null, reason: 'this node can not read the access rules: upgrade it' };
  }
  const subject: Subject = { clientId, userName, address };
  const rights = policy.rightsOf(subject, otherwise);
  if (action === 'subscribe') {
    const allowed = rights.maySubscribe(topic, qos);
    const reason = allowed
      ? 'every topic that the filter matches is allowed'
      : 'some topic that the filter matches is not allowed';
    return { allowed, rule: null, reason };
  }
  const allowed = rights.mayPublish(topic, qos, retain);
  const rule = decidingRule(rules, subject, question);
  if (rule !== undefined) return { allowed, rule: rule.id, reason: `rule ${rule.id} is the first that matches` };
  return { allowed, rule: null, reason: `no rule matches: authorization.default is ${otherwise ? 'allow' : 'deny'}` };
}
