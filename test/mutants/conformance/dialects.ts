import { type Planted, planted } from './planted.ts';

const CONNACK = 'packages/protocol/src/mqtt/encode-connack.ts';
const ENCODE = 'packages/protocol/src/mqtt/encode.ts';
const DECODE = 'packages/protocol/src/mqtt/decode.ts';
const DECODE_CONNECT = 'packages/protocol/src/mqtt/decode-connect.ts';
const START = 'packages/broker/src/connection/session-start.ts';
const SUBSCRIBING = 'packages/broker/src/connection/subscribing.ts';

const PACKETS = '3.1: CONNACK without session present';
const NAMES = '3.1: a user name that is announced and missing';
const BRIDGE = 'a bridge (';

/** MQTT 3.1 and bridges. */
export const DIALECTS: readonly Planted[] = [
  planted('session-present-in-31', '3.1 has no session present', { dialects: [PACKETS] }, [
    CONNACK,
    'sessionPresent && reasonCode === 0 && version !== 3 ?',
    'sessionPresent && reasonCode === 0 ?',
  ]),
  planted('flags-checked-in-31', '3.1 may set DUP on PUBREL', { dialects: [PACKETS] }, [
    DECODE,
    'if ((header & 0x0f) !== expected && version !== 3) throw',
    'if ((header & 0x0f) !== expected) throw',
  ]),
  planted('announced-is-there-in-31', '3.1 may leave out what it announced', { dialects: [NAMES] }, [
    DECODE_CONNECT,
    'return (flags & flag) !== 0 && (version !== 3 || reader.remaining > 0);',
    'return (flags & flag) !== 0;',
  ]),
  planted('nameless-in-31', '3.1 knows no empty client identifier', { dialects: [NAMES] }, [
    START,
    'packet.protocolVersion === 3 || (packet',
    '(packet',
  ]),
  planted('failure-in-31', 'SUBACK of 3.1 has no failure', { dialects: ['3.1: SUBACK has no failure'] }, [
    ENCODE,
    'codes[i] = version === 4 ? FAILURE : 0;',
    'codes[i] = FAILURE;',
  ]),
  planted('bridge-without-retain', 'a bridge gets RETAIN as it was published', { dialects: [BRIDGE] }, [
    SUBSCRIBING,
    'retainAsPublished: true };',
    'retainAsPublished: false };',
  ]),
  planted('bridge-gets-its-own', 'a bridge gets nothing back', { dialects: [BRIDGE] }, [
    SUBSCRIBING,
    "noLocal: !request.filter.startsWith('$share/'),",
    'noLocal: false,',
  ]),
];
