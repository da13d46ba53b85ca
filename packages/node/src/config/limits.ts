import { derived, integer } from './key-types.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
/** A Session Expiry Interval that never ends (MQTT 5.0 section 3.1.2.11.2). */
const NEVER = 0xffffffff;

/** What clients may take of one node. docs/limits.md says what happens at each of them. */
export const LIMITS = {
  maxPacketSizeBytes: integer({
    doc: 'Largest MQTT packet that a client may send.',
    default: MIB,
    min: KIB,
    max: 32 * MIB,
  }),
  maxConnections: integer({
    doc: 'Most clients connected to this node.',
    default: 10_000,
    min: 1,
    max: 1_000_000,
  }),
  maxPendingConnections: integer({
    doc:
      'Most connections besides these that have not sent their CONNECT yet; when there are more, the oldest of them is ' +
      'closed, or the new one while none of them is a second old.',
    default: 4_096,
    min: 1,
    max: 1_000_000,
  }),
  maxConnectionsPerAddress: integer({
    doc: 'Most connections from one address, of IPv6 from one /64 network; 0 for any number.',
    default: 0,
    min: 0,
    max: 1_000_000,
  }),
  maxConnectsPerSec: integer({
    doc: 'Most new connections to this node in a second; 0 for any number.',
    default: 0,
    min: 0,
    max: 1_000_000,
  }),
  maxConnectsPerAddressPerSec: integer({
    doc: 'Most new connections from one address, of IPv6 from one /64 network, in a second; 0 for any number.',
    default: 0,
    min: 0,
    max: 1_000_000,
  }),
  maxClientIdBytes: integer({
    doc: 'Longest client id in bytes of UTF-8.',
    default: 1_024,
    // The ids that nodes assign have 44; a client may come back with one.
    min: 48,
    max: 65_535,
  }),
  receiveMaximum: integer({
    doc: 'Most QoS 1 and 2 messages that a client may send before it has their acknowledgements.',
    default: 1_024,
    min: 1,
    max: 65_535,
  }),
  maxPublishesPerSec: integer({
    doc: 'Most PUBLISH packets of one client in a second; one that sends more is read more slowly. 0 for any number.',
    default: 0,
    min: 0,
    max: 1_000_000,
  }),
  maxPublishBytesPerSec: integer({
    doc: 'Most bytes of these; one that sends more is read more slowly. 0 for any number.',
    default: 0,
    min: 0,
    max: GIB,
  }),
  maxKeepAliveSec: integer({
    doc: 'Longest keep-alive; an MQTT 5 client that asks for more, or for none, is given this one.',
    default: 65_535,
    min: 5,
    max: 65_535,
  }),
  maxSessionExpiryIntervalSec: integer({
    doc: 'Longest time for which an MQTT 5 session is kept without its client; 4294967295 for ever.',
    default: NEVER,
    min: 1,
    max: NEVER,
  }),
  sessionExpiryIntervalFor3xSec: integer({
    doc:
      'How long a session of MQTT 3.1 and 3.1.1 is kept without its client, when that did not connect clean; ' +
      '4294967295 for ever.',
    default: NEVER,
    min: 1,
    max: NEVER,
  }),
  maxInflightMessages: integer({
    doc: 'Most QoS 1 and 2 messages sent to a client before it acknowledges, whatever it allows.',
    default: 1_024,
    min: 1,
    max: 65_535,
  }),
  maxOutgoingBufferBytes: integer({
    doc: 'Most bytes that wait in memory for one slow client; then QoS 0 is dropped and the rest stays queued.',
    default: 8 * MIB,
    min: 64 * KIB,
    max: GIB,
  }),
  slowConsumerTimeoutMs: integer({
    doc: 'A client that takes nothing for this long of what waits for it is let go.',
    default: 60_000,
    min: 1_000,
    max: 86_400_000,
  }),
  maxQueuedMessages: integer({
    doc: 'Most QoS 1 and 2 messages that wait for a client whose session ends with its connection; then it is closed.',
    default: 100_000,
    min: 1,
    max: 10_000_000,
  }),
  maxQueuedBytes: integer({
    doc: 'Most bytes of these messages; a single larger one still waits.',
    default: 64 * MIB,
    min: 64 * KIB,
    max: 16 * GIB,
  }),
  maxSubscriptionsPerClient: integer({
    doc: 'Most subscriptions of one session.',
    default: 1_000,
    min: 1,
    max: 1_000_000,
  }),
  maxTopicLevels: integer({
    doc: 'Most levels of a topic name or filter.',
    default: 128,
    min: 1,
    max: 1_024,
  }),
  maxTopicBytes: integer({
    doc: 'Longest topic name or filter in bytes of UTF-8.',
    default: 65_535,
    min: 16,
    max: 65_535,
  }),
  connectTimeoutMs: integer({
    doc: 'A connection that has not sent a whole CONNECT after this time is closed.',
    default: 10_000,
    min: 100,
    max: 300_000,
  }),
  maxVerifications: integer({
    doc: 'Most clients whose credentials are being looked at at the same time.',
    default: 4_096,
    min: 1,
    max: 1_000_000,
  }),
  maxUnappliedBytes: integer({
    doc: 'Most bytes of commands of this node on their way through the log; then its clients are not read.',
    default: 8 * MIB,
    min: 64 * KIB,
    max: GIB,
  }),
  memoryHighWaterMarkBytes: derived(
    integer({
      doc:
        'Memory of the process from which on it accepts no clients and slows down those that publish, until there is ' +
        'less; 0 for none. What there is, is that of the machine or container.',
      default: 0,
      min: 0,
      max: 64 * 1024 * GIB,
    }),
    'three quarters of the memory there is',
  ),
};
