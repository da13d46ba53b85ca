import { createServer, type Server, type Socket } from 'node:net';
import mqttPacket, { type IConnectPacket, type IPublishPacket, type Packet } from 'mqtt-packet';

/**
 * What a {@link FakeBroker} does wrong. Of messages: `drop` one in five of a topic, acknowledged; deliver it `twice`; `swap` it with the next one for
 * one subscriber. `stale`: one node knows the retained message of before. `owners`: a connection that is taken over lives on.
 * `fork`: each node has sessions of its own. `will on disconnect`: wills after DISCONNECT too. `eternal`: nothing expires.
 */
export type Flaw =
  | ('drop' | 'twice' | 'swap' | 'stale')
  | ('owners' | 'fork')
  | ('will on disconnect' | 'will twice' | 'eternal');

const ONE_IN = 5;

interface Item {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly expirySec: number | undefined;
  readonly atMs: number;
  /** 0 until it is sent. */
  id: number;
  received: boolean;
}

class Session {
  readonly number: number;
  readonly filters = new Map<string, 0 | 1 | 2>();
  readonly incoming = new Set<number>();
  readonly connections = new Set<Connection>();
  queue: Item[] = [];
  lastId = 0;
  expirySec = 0;
  expiry: NodeJS.Timeout | undefined;
  will: NodeJS.Timeout | undefined;

  constructor(number: number) {
    this.number = number;
  }
}

function matches(filter: string, topic: string): boolean {
  const pattern = filter
    .split('/')
    .map((level) => (level === '+' ? '[^/]*' : level === '#' ? '.*' : level.replace(/[.$]/g, '\\$&')))
    .join('/');
  return new RegExp(`^${pattern}$`).test(topic);
}

class Connection {
  readonly node: number;
  session: Session | null = null;
  private readonly broker: FakeBroker;
  private readonly socket: Socket;
  private connect: IConnectPacket | null = null;
  private over = false;

  constructor(broker: FakeBroker, node: number, socket: Socket) {
    this.broker = broker;
    this.node = node;
    this.socket = socket;
    const parser = mqttPacket.parser();
    parser.on('packet', (packet) => this.take(packet));
    parser.on('error', () => socket.destroy());
    socket.on('data', (bytes) => parser.parse(bytes));
    socket.on('error', () => undefined);
    socket.on('close', () => this.end(false));
  }

  send(packet: Packet): void {
    if (this.over) return;
    this.socket.write(mqttPacket.generate(packet, { protocolVersion: this.connect?.protocolVersion ?? 4 }));
  }

  /** Its client has gone, or is to go. */
  end(orderly: boolean): void {
    if (this.over) return;
    this.over = true;
    this.socket.end();
    const { session, connect } = this;
    if (session === null || connect === null) return;
    session.connections.delete(this);
    if (!orderly || this.broker.flaw === 'will on disconnect') this.broker.bury(session, connect);
    if (session.connections.size > 0) return;
    if (session.expirySec === 0) this.broker.forget(session);
    else if (this.broker.flaw !== 'eternal') {
      session.expiry = setTimeout(() => this.broker.forget(session), session.expirySec * 1_000).unref();
    }
  }

  private take(packet: Packet): void {
    const { session } = this;
    const id = packet.messageId ?? 0;
    if (packet.cmd === 'connect') {
      this.connect = packet;
      this.broker.open(this, packet);
    } else if (session === null || packet.cmd === 'disconnect') {
      this.end(true);
    } else if (packet.cmd === 'publish') {
      this.published(session, packet, id);
    } else if (packet.cmd === 'pubrel') {
      session.incoming.delete(id);
      this.send({ cmd: 'pubcomp', messageId: id });
    } else if (packet.cmd === 'puback' || packet.cmd === 'pubcomp') {
      session.queue = session.queue.filter((item) => item.id !== id);
    } else if (packet.cmd === 'pubrec') {
      for (const item of session.queue) if (item.id === id) item.received = true;
      this.send({ cmd: 'pubrel', messageId: id });
    } else if (packet.cmd === 'subscribe') {
      for (const { topic, qos } of packet.subscriptions) session.filters.set(topic, qos);
      this.send({ cmd: 'suback', messageId: id, granted: packet.subscriptions.map(({ qos }) => qos) });
      for (const { topic } of packet.subscriptions) this.broker.retainedTo(session, topic, this.node);
    } else if (packet.cmd === 'unsubscribe') {
      for (const filter of packet.unsubscriptions) session.filters.delete(filter);
      this.send({ cmd: 'unsuback', messageId: id, granted: packet.unsubscriptions.map(() => 0) });
    } else if (packet.cmd === 'pingreq') {
      this.send({ cmd: 'pingresp' });
    }
  }

  private published(session: Session, packet: IPublishPacket, id: number): void {
    if (packet.qos < 2 || !session.incoming.has(id)) this.broker.publish(packet);
    if (packet.qos === 2) session.incoming.add(id);
    if (packet.qos > 0) this.send({ cmd: packet.qos === 1 ? 'puback' : 'pubrec', messageId: id });
  }
}

/** A broker in the test's process with several ports for nodes, plain and right but for one flaw. */
export class FakeBroker {
  readonly flaw: Flaw | null;
  private readonly servers: Server[] = [];
  private readonly connections = new Set<Connection>();
  private readonly sessions = new Map<string, Session>();
  /** The newest last. */
  private readonly retained = new Map<string, IPublishPacket[]>();
  /** How many of each topic. */
  private readonly published = new Map<string, number>();
  private turn = 0;
  private made = 0;

  constructor(flaw: Flaw | null) {
    this.flaw = flaw;
  }

  /** @returns the ports */
  async listen(nodes: number): Promise<number[]> {
    for (let node = 0; node < nodes; node++) {
      const server = createServer({ noDelay: true }, (socket) =>
        this.connections.add(new Connection(this, node, socket)),
      );
      this.servers.push(server);
      await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    }
    return this.servers.map((server) => (server.address() as { port: number }).port);
  }

  close(): void {
    for (const server of this.servers) server.close();
    for (const connection of this.connections) connection.end(true);
    for (const session of this.sessions.values()) {
      clearTimeout(session.will);
      clearTimeout(session.expiry);
    }
  }

  /** Sessions and retained messages that are there. */
  get leftovers(): number {
    const retained = [...this.retained.values()].filter((packets) => (packets.at(-1)?.payload.length ?? 0) > 0);
    return this.sessions.size + retained.length;
  }

  /** CONNECT. */
  open(connection: Connection, packet: IConnectPacket): void {
    const name = this.flaw === 'fork' ? `${connection.node} ${packet.clientId}` : packet.clientId;
    const before = this.sessions.get(name);
    if (this.flaw !== 'owners') for (const other of before?.connections ?? []) other.end(false);
    if (packet.clean === true && before !== undefined) this.forget(before);
    const session = this.sessions.get(name) ?? new Session(++this.made);
    this.sessions.set(name, session);
    clearTimeout(session.will);
    clearTimeout(session.expiry);
    const five = packet.protocolVersion === 5;
    session.expirySec = five ? (packet.properties?.sessionExpiryInterval ?? 0) : packet.clean === true ? 0 : 3_600;
    session.connections.add(connection);
    connection.session = session;
    const sessionPresent = session === before;
    connection.send({ cmd: 'connack', sessionPresent, ...(five ? { reasonCode: 0 } : { returnCode: 0 }) });
    for (const item of session.queue) {
      if (item.received) connection.send({ cmd: 'pubrel', messageId: item.id });
      else if (item.id !== 0) this.sendTo(connection, item, true);
    }
    this.pump(session);
  }

  forget(session: Session): void {
    for (const [name, each] of this.sessions) if (each === session) this.sessions.delete(name);
  }

  bury(session: Session, { will }: IConnectPacket): void {
    if (will === undefined) return;
    const delaySec = will.properties?.willDelayInterval ?? 0;
    const fire = (): void => {
      const { topic, payload, qos = 0 } = will;
      const packet: IPublishPacket = { cmd: 'publish', topic, payload, qos, dup: false, retain: false };
      this.publish(packet, true);
      if (this.flaw === 'will twice') this.publish(packet, true);
    };
    if (delaySec === 0) fire();
    else session.will = setTimeout(fire, delaySec * 1_000).unref();
  }

  publish(packet: IPublishPacket, certain = false): void {
    if (packet.retain) this.retained.set(packet.topic, [...(this.retained.get(packet.topic) ?? []).slice(-1), packet]);
    const count = (this.published.get(packet.topic) ?? 0) + 1;
    this.published.set(packet.topic, count);
    const wrong = !certain && count % ONE_IN === 0;
    if (wrong && this.flaw === 'drop') return;
    this.route(packet, wrong);
    if (wrong && this.flaw === 'twice') this.route(packet, false);
  }

  /** What stands there when somebody subscribes. */
  retainedTo(session: Session, filter: string, node: number): void {
    for (const [topic, packets] of this.retained) {
      if (!matches(filter, topic)) continue;
      const packet = (this.flaw === 'stale' && node === 1 ? packets[0] : packets.at(-1)) as IPublishPacket;
      if (packet.payload.length > 0) this.enqueue(session, { ...packet, retain: true }, 1, false);
    }
    this.pump(session);
  }

  private route(packet: IPublishPacket, wrong: boolean): void {
    const groups = new Map<string, [Session, 0 | 1 | 2][]>();
    for (const session of this.sessions.values()) {
      for (const [filter, qos] of session.filters) {
        const [share, group, ...rest] = filter.split('/');
        if (!matches(share === '$share' ? rest.join('/') : filter, packet.topic)) continue;
        const name = share === '$share' ? String(group) : `session ${session.number}`;
        groups.set(name, [...(groups.get(name) ?? []), [session, qos]]);
      }
    }
    for (const [place, members] of [...groups.values()].entries()) {
      const connected = members.filter(([session]) => session.connections.size > 0);
      const choice = connected.length > 0 ? connected : members;
      const [session, qos] = choice[this.turn++ % choice.length] as [Session, 0 | 1 | 2];
      this.enqueue(session, { ...packet, retain: false }, qos, wrong && this.flaw === 'swap' && place === 0);
      this.pump(session);
    }
  }

  /** @param hold keep it back until the next one has gone */
  private enqueue(session: Session, packet: IPublishPacket, qos: 0 | 1 | 2, hold: boolean): void {
    const { topic, retain } = packet;
    const payload = Buffer.from(packet.payload);
    const expirySec = packet.properties?.messageExpiryInterval;
    const item = {
      topic,
      payload,
      retain,
      expirySec,
      qos: Math.min(qos, packet.qos) as 0 | 1 | 2,
      atMs: performance.now(),
      id: 0,
      received: false,
    };
    if (hold) {
      setTimeout(() => {
        session.queue.push(item);
        this.pump(session);
      }, 100).unref();
    } else {
      session.queue.push(item);
    }
  }

  private pump(session: Session): void {
    if (session.connections.size === 0) return;
    session.queue = session.queue.filter((item) => item.id !== 0 || this.leftOf(item) !== 0);
    for (const item of session.queue) {
      if (item.id !== 0) continue;
      do {
        session.lastId = (session.lastId % 65_535) + 1;
      } while (session.queue.some(({ id }) => id === session.lastId));
      item.id = session.lastId;
      // With two owners both are sent everything.
      for (const connection of session.connections) this.sendTo(connection, item, false);
    }
    session.queue = session.queue.filter(({ qos }) => qos > 0);
  }

  /** Seconds until it expires; undefined: never. */
  private leftOf({ expirySec, atMs }: Item): number | undefined {
    if (expirySec === undefined || this.flaw === 'eternal') return expirySec;
    return Math.max(0, Math.ceil(expirySec - (performance.now() - atMs) / 1_000));
  }

  private sendTo(connection: Connection, item: Item, dup: boolean): void {
    const { topic, payload, qos, retain, id } = item;
    const left = this.leftOf(item);
    connection.send({
      ...{ cmd: 'publish', topic, payload, qos, retain, dup, messageId: id },
      ...(left !== undefined && { properties: { messageExpiryInterval: left } }),
    });
  }
}
