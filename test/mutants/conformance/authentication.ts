import { type Planted, planted } from './planted.ts';

const AUTHENTICATION = 'packages/broker/src/connection/authentication.ts';
const START = 'packages/broker/src/connection/session-start.ts';
const ENCODE = 'packages/protocol/src/mqtt/encode.ts';
const DECODE = 'packages/protocol/src/mqtt/decode.ts';

const SIZE = 'AUTH has neither reason string';
const ASKS = 'AUTH that asks for more has 0x18';
const ANOTHER = 'AUTH of a client with another reason code or method';

/** Enhanced authentication. */
export const EXCHANGES: readonly Planted[] = [
  planted('auth-with-a-reason-string', 'no reason string that makes AUTH too large', { authentication: [SIZE] }, [
    ENCODE,
    'const properties = [stringProperty(PropertyId.authenticationMethod, method)];',
    "const properties = [stringProperty(PropertyId.authenticationMethod, method), stringProperty(PropertyId.reasonString, 'x')];",
  ]),
  planted(
    'auth-larger-than-taken',
    'nothing is sent that is larger than the client takes',
    { authentication: [SIZE] },
    [
      AUTHENTICATION,
      "  if (packet.length > connection.maximumPacketSizeBytes) return connection.refuse('ANSWER_TOO_LARGE', 'AUTH');\n",
      '',
    ],
  ),
  planted('challenge-with-another-code', 'AUTH that asks for more has 0x18', { authentication: [ASKS] }, [
    AUTHENTICATION,
    'encodeAuth(ReasonCode.continueAuthentication, method, data);',
    'encodeAuth(ReasonCode.reAuthenticate, method, data);',
  ]),
  planted('auth-with-another-method', 'AUTH has the method of CONNECT', { authentication: [ASKS] }, [
    ENCODE,
    'stringProperty(PropertyId.authenticationMethod, method)',
    'stringProperty(PropertyId.authenticationMethod, method.toLowerCase())',
  ]),
  planted('connack-without-method', 'CONNACK has the method of CONNECT', { authentication: [ASKS] }, [
    START,
    '      ...(authentication !== null && { authenticationMethod: authentication.method }),\n',
    '',
  ]),
  planted('answer-with-any-code', 'AUTH of a client that answers has 0x18', { authentication: [ANOTHER] }, [
    AUTHENTICATION,
    'if (packet.reasonCode !== ReasonCode.continueAuthentication) {',
    'if (packet.reasonCode === ReasonCode.success) {',
  ]),
  planted('answer-with-any-method', 'AUTH of a client has the method of CONNECT', { authentication: [ANOTHER] }, [
    AUTHENTICATION,
    'if (packet.authenticationMethod !== authentication.method) {',
    "if (packet.authenticationMethod === '') {",
  ]),
  planted(
    'refused-without-an-end',
    'the server may refuse, and closes the connection',
    { authentication: ['the server may refuse at the first step'] },
    [
      AUTHENTICATION,
      'return connection.refuse(closeReasonOf(outcome.refusal.reasonCode), outcome.refusal.detail);',
      'return;',
    ],
  ),
  planted(
    'packets-before-the-end',
    'nothing but AUTH and DISCONNECT before CONNACK',
    { authentication: ['what is neither AUTH nor DISCONNECT'] },
    [
      AUTHENTICATION,
      "if (type !== AUTH && type !== DISCONNECT) throw new ProtocolError('AUTHENTICATION_UNFINISHED', `packet type ${type}`);",
      'if (type !== AUTH && type !== DISCONNECT) return;',
    ],
  ),
  planted(
    'another-method-again',
    're-authentication has the method of CONNECT',
    { authentication: ['re-authentication with another method'] },
    [AUTHENTICATION, 'if (packet.authenticationMethod !== method) {', "if (packet.authenticationMethod === '') {"],
  ),
  planted(
    'failed-again-and-open',
    'a failed re-authentication closes the connection',
    { authentication: ['a failed re-authentication closes'] },
    [
      AUTHENTICATION,
      'return connection.fail(closeReasonOf(outcome.refusal.reasonCode), outcome.refusal.detail);',
      'return;',
    ],
  ),
  planted(
    'any-reason-code-of-auth',
    'AUTH has one of its own reason codes',
    { authentication: ['AUTH with a reason code that it does not have'] },
    [DECODE, '  if (!AUTH_REASONS.has(reasonCode)) throw invalidReason(reasonCode);\n', ''],
  ),
];
