/** MQTT packets by hand, so that each of their bytes can be made wrong, and the server's taken apart. */

/** 4 = 3.1.1, 5 = 5.0. */
export type Version = 4 | 5;

/** A number is one byte, a string a UTF-8 encoded string with its length in front. */
export type Part = number | string | Uint8Array | readonly Part[];

export function bytes(...parts: readonly Part[]): Buffer {
  return Buffer.concat(
    parts.map((part) => {
      if (typeof part === 'number') return Buffer.from([part]);
      if (typeof part === 'string') return binary(Buffer.from(part));
      return part instanceof Uint8Array ? part : bytes(...part);
    }),
  );
}

/** Binary data: length and bytes. */
export function binary(data: Uint8Array): Buffer {
  return Buffer.concat([uint16(data.length), data]);
}

export function uint16(value: number): Buffer {
  return Buffer.from([value >>> 8, value & 0xff]);
}

export function uint32(value: number): Buffer {
  const field = Buffer.alloc(4);
  field.writeUInt32BE(value);
  return field;
}

export function variableInteger(value: number): Buffer {
  const field: number[] = [];
  let rest = value;
  do {
    field.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    rest >>>= 7;
  } while (rest > 0);
  return Buffer.from(field);
}

/** Fixed header with the right remaining length, and the rest. */
export function packet(firstByte: number, ...parts: readonly Part[]): Buffer {
  const body = bytes(...parts);
  return Buffer.concat([Buffer.from([firstByte]), variableInteger(body.length), body]);
}

/** A property section in 5.0, nothing in 3.1.1. */
export function section(version: Version, ...properties: readonly Part[]): Buffer {
  if (version === 4) return Buffer.alloc(0);
  const body = bytes(...properties);
  return Buffer.concat([variableInteger(body.length), body]);
}

export interface ConnectFields {
  readonly version?: Version;
  readonly clientId?: string;
  /** Clean Session or Clean Start; true unless said otherwise. */
  readonly clean?: boolean;
  readonly keepAliveSec?: number;
  readonly will?: {
    readonly topic: string;
    readonly payload?: string;
    readonly qos?: number;
    readonly retain?: boolean;
    readonly properties?: readonly Part[];
  };
  readonly username?: string;
  readonly password?: string;
  readonly properties?: readonly Part[];
  /** Protocol name and level; what the version says unless given. */
  readonly name?: string;
  readonly level?: number;
  /** Connect Flags; what the other fields say unless given. */
  readonly flags?: number;
}

export function connect(fields: ConnectFields = {}): Buffer {
  const { version = 5, clientId = '', clean = true, keepAliveSec = 0, will, username, password } = fields;
  let flags = clean ? 0x02 : 0;
  if (will !== undefined) flags |= 0x04 | ((will.qos ?? 0) << 3) | (will.retain === true ? 0x20 : 0);
  if (username !== undefined) flags |= 0x80;
  if (password !== undefined) flags |= 0x40;
  const payload: Part[] = [clientId];
  if (will !== undefined) payload.push(section(version, ...(will.properties ?? [])), will.topic, will.payload ?? '');
  if (username !== undefined) payload.push(username);
  if (password !== undefined) payload.push(password);
  return packet(
    0x10,
    fields.name ?? 'MQTT',
    fields.level ?? version,
    fields.flags ?? flags,
    uint16(keepAliveSec),
    section(version, ...(fields.properties ?? [])),
    payload,
  );
}

export interface PublishFields {
  readonly topic: string;
  readonly payload?: string | Uint8Array;
  readonly qos?: number;
  readonly packetId?: number;
  readonly retain?: boolean;
  readonly dup?: boolean;
  readonly properties?: readonly Part[];
}

export function publish(version: Version, fields: PublishFields): Buffer {
  const { topic, payload = '', qos = 0, packetId = 1, retain = false, dup = false, properties = [] } = fields;
  return packet(
    0x30 | (dup ? 8 : 0) | (qos << 1) | (retain ? 1 : 0),
    topic,
    qos > 0 ? uint16(packetId) : [],
    section(version, ...properties),
    Buffer.from(payload),
  );
}

/** @param filters each with its QoS or Subscription Options */
export function subscribe(
  version: Version,
  packetId: number,
  filters: readonly (readonly [filter: string, options: number])[],
  ...properties: readonly Part[]
): Buffer {
  return packet(0x82, uint16(packetId), section(version, ...properties), filters);
}

export function unsubscribe(version: Version, packetId: number, filters: readonly string[]): Buffer {
  return packet(0xa2, uint16(packetId), section(version), filters);
}

/** First bytes of the acknowledgements. */
export const Ack = { puback: 0x40, pubrec: 0x50, pubrel: 0x62, pubcomp: 0x70 } as const;

/** An acknowledgement in its short form, or with a reason code. */
export function ack(firstByte: number, packetId: number, reasonCode?: number): Buffer {
  return packet(firstByte, uint16(packetId), reasonCode === undefined ? [] : reasonCode);
}

export const PINGREQ = packet(0xc0);

/** DISCONNECT; the reason code and what is behind it exist in 5.0 only. */
export function disconnect(reasonCode?: number, ...properties: readonly Part[]): Buffer {
  if (reasonCode === undefined) return packet(0xe0);
  return packet(0xe0, reasonCode, section(5, ...properties));
}

/** What the first byte of a packet says. */
export const Type = {
  connack: 2,
  publish: 3,
  puback: 4,
  pubrec: 5,
  pubrel: 6,
  pubcomp: 7,
  suback: 9,
  unsuback: 11,
  pingresp: 13,
  disconnect: 14,
} as const;

/** A packet of the server; `body` is what follows the fixed header. */
export interface ServerPacket {
  readonly type: number;
  readonly flags: number;
  readonly body: Buffer;
  /** Fixed header included. */
  readonly sizeBytes: number;
}

/** The first whole packet in the input, or null. */
export function takePacket(input: Buffer): ServerPacket | null {
  let length = 0;
  let at = 1;
  for (let shift = 0; ; shift += 7) {
    const byte = input[at++];
    if (byte === undefined) return null;
    length |= (byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  const sizeBytes = at + length;
  if (input.length < sizeBytes) return null;
  const first = input[0] as number;
  return { type: first >> 4, flags: first & 0x0f, body: input.subarray(at, sizeBytes), sizeBytes };
}
