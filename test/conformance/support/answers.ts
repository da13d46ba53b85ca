import type { ServerPacket, Version } from './wire.ts';

/** Property identifiers of MQTT 5.0, table 2-4. */
export const Property = {
  payloadFormatIndicator: 0x01,
  messageExpiryInterval: 0x02,
  contentType: 0x03,
  responseTopic: 0x08,
  correlationData: 0x09,
  subscriptionIdentifier: 0x0b,
  sessionExpiryInterval: 0x11,
  assignedClientIdentifier: 0x12,
  serverKeepAlive: 0x13,
  authenticationMethod: 0x15,
  authenticationData: 0x16,
  requestProblemInformation: 0x17,
  willDelayInterval: 0x18,
  requestResponseInformation: 0x19,
  responseInformation: 0x1a,
  serverReference: 0x1c,
  reasonString: 0x1f,
  receiveMaximum: 0x21,
  topicAliasMaximum: 0x22,
  topicAlias: 0x23,
  maximumQoS: 0x24,
  retainAvailable: 0x25,
  userProperty: 0x26,
  maximumPacketSize: 0x27,
  wildcardSubscriptionAvailable: 0x28,
  subscriptionIdentifiersAvailable: 0x29,
  sharedSubscriptionAvailable: 0x2a,
} as const;

const BYTE = new Set([0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2a]);
const UINT16 = new Set([0x13, 0x21, 0x22, 0x23]);
const UINT32 = new Set([0x02, 0x11, 0x18, 0x27]);

type Value = number | string | readonly [string, string];

/** Reads the fields of one packet of the server; what is left over or missing is an error. */
export class Fields {
  readonly #body: Buffer;
  #at = 0;

  constructor(body: Buffer) {
    this.#body = body;
  }

  get left(): number {
    return this.#body.length - this.#at;
  }

  byte(): number {
    return this.#body.readUInt8(this.#at++);
  }

  uint16(): number {
    this.#at += 2;
    return this.#body.readUInt16BE(this.#at - 2);
  }

  uint32(): number {
    this.#at += 4;
    return this.#body.readUInt32BE(this.#at - 4);
  }

  variableInteger(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  }

  string(): string {
    return this.take(this.uint16()).toString();
  }

  take(count: number): Buffer {
    if (count > this.left) throw new Error(`${String(count)} bytes wanted, ${String(this.left)} left`);
    this.#at += count;
    return this.#body.subarray(this.#at - count, this.#at);
  }

  /** In their order, by identifier; binary data as text in which each character is one byte. */
  properties(): Map<number, Value[]> {
    const found = new Map<number, Value[]>();
    const section = new Fields(this.take(this.variableInteger()));
    while (section.left > 0) {
      const id = section.variableInteger();
      const values = found.get(id) ?? [];
      values.push(section.#value(id));
      found.set(id, values);
    }
    return found;
  }

  #value(id: number): Value {
    if (BYTE.has(id)) return this.byte();
    if (UINT16.has(id)) return this.uint16();
    if (UINT32.has(id)) return this.uint32();
    if (id === Property.subscriptionIdentifier) return this.variableInteger();
    if (id === Property.userProperty) return [this.string(), this.string()];
    if (id === Property.correlationData || id === Property.authenticationData) {
      return this.take(this.uint16()).toString('latin1');
    }
    return this.string();
  }

  finish(): void {
    if (this.left > 0) throw new Error(`${String(this.left)} bytes behind the end of the packet`);
  }
}

export type Properties = ReadonlyMap<number, readonly Value[]>;

export interface Connack {
  /** The byte of the Connect Acknowledge Flags, all of it. */
  readonly flags: number;
  /** Return code or reason code. */
  readonly code: number;
  readonly properties: Properties;
}

export function connackOf({ body }: ServerPacket, version: Version): Connack {
  const fields = new Fields(body);
  const answer = {
    flags: fields.byte(),
    code: fields.byte(),
    properties: version === 5 ? fields.properties() : new Map<number, Value[]>(),
  };
  fields.finish();
  return answer;
}

export interface Publication {
  readonly topic: string;
  readonly payload: string;
  readonly qos: number;
  readonly retain: boolean;
  readonly dup: boolean;
  readonly packetId: number;
  readonly properties: Properties;
}

export function publicationOf({ flags, body }: ServerPacket, version: Version): Publication {
  const fields = new Fields(body);
  const qos = (flags >> 1) & 3;
  return {
    topic: fields.string(),
    packetId: qos > 0 ? fields.uint16() : 0,
    properties: version === 5 ? fields.properties() : new Map<number, Value[]>(),
    payload: fields.take(fields.left).toString(),
    qos,
    retain: (flags & 1) !== 0,
    dup: (flags & 8) !== 0,
  };
}

export interface Acknowledgement {
  readonly packetId: number;
  /** One, except in SUBACK and UNSUBACK; none in an UNSUBACK of 3.1.1. */
  readonly codes: readonly number[];
  readonly properties: Properties;
}

/** PUBACK, PUBREC, PUBREL, PUBCOMP. */
export function ackOf({ body }: ServerPacket, version: Version): Acknowledgement {
  const fields = new Fields(body);
  const packetId = fields.uint16();
  const code = version === 5 && fields.left > 0 ? fields.byte() : 0;
  const properties = version === 5 && fields.left > 0 ? fields.properties() : new Map<number, Value[]>();
  fields.finish();
  return { packetId, codes: [code], properties };
}

/** SUBACK and UNSUBACK. */
export function subackOf({ body }: ServerPacket, version: Version): Acknowledgement {
  const fields = new Fields(body);
  const packetId = fields.uint16();
  const properties = version === 5 ? fields.properties() : new Map<number, Value[]>();
  return { packetId, codes: [...fields.take(fields.left)], properties };
}

export interface Disconnect {
  readonly code: number;
  readonly properties: Properties;
}

export function disconnectOf({ body }: ServerPacket): Disconnect {
  const fields = new Fields(body);
  const code = fields.left > 0 ? fields.byte() : 0;
  const properties = fields.left > 0 ? fields.properties() : new Map<number, Value[]>();
  fields.finish();
  return { code, properties };
}
