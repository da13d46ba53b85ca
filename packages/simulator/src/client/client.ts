import mqtt, { type Packet } from 'mqtt-packet';
import type { SimulatedNode } from '../cluster/simulated-node.ts';
import type { ClientEnd, Wire } from '../cluster/wire.ts';
import type { Rng } from '../world/random.ts';
import type { World } from '../world/world.ts';
import { encode } from './encoding.ts';
import type { ClientPlan } from './plan.ts';
import { type Received, receive } from './receiving.ts';
import { ClientSession, type Outgoing } from './session.ts';

/** What the checkers are told of a client. */
export interface ClientWatcher {
  connecting(client: Client): void;
  /** CONNACK with success has arrived. */
  accepted(client: Client, sessionPresent: boolean): void;
  /** The connection is over, whoever ended it. */
  disconnected(client: Client, graceful: boolean, wire: Wire): void;
  publishing(
    client: Client,
    message: { topic: string; payload: string; qos: 0 | 1 | 2; retain: boolean; expirySec: number },
    again: boolean,
  ): void;
  /** PUBACK, or the first PUBREC. */
  acknowledged(client: Client, message: Outgoing): void;
  /** The server has forgotten the session: whether this message was published is unknown, and it is not sent again. */
  givenUp(client: Client, payload: string): void;
  subscribed(client: Client, filter: string, qos: number): void;
  unsubscribing(client: Client, filter: string): void;
  /** A message is given to the application: for QoS 2 once per exchange. */
  delivered(client: Client, message: Received): void;
  /** A register was read: its value, or null for none. */
  read(client: Client, topic: string, value: string | null, askedMs: number): void;
}

export interface ClientOptions {
  readonly plan: ClientPlan;
  /** Unique, also among clients that share an id. */
  readonly name: string;
  readonly world: World;
  readonly rng: Rng;
  /** Where it may connect. */
  readonly nodes: () => readonly SimulatedNode[];
  readonly watcher: ClientWatcher;
  /** While false, clients leave no connection on their own and publish nothing new. */
  readonly busy: () => boolean;
}

const CONNACK_TIMEOUT_MS = 6_000;
const PING_MS = 1_000;
const SILENCE_MS = 4_000;
const KEEP_ALIVE_SEC = 3;
/** Of those who publish one message at a time: how many they publish all the same, and how often. */
const SMALL_BURST = 8;
const SMALL_BURST_CHANCE = 0.1;

/** A simulated MQTT client: real packets, and the client's side of QoS 1 and 2 across reconnects. */
export class Client implements ClientEnd {
  readonly name: string;
  readonly plan: ClientPlan;
  readonly options: ClientOptions;
  session = new ClientSession();
  /** Connections so far; names one of them. */
  connections = 0;
  /** Connections that were accepted so far. */
  acceptances = 0;
  wire: Wire | null = null;
  live = false;
  readonly #world: World;
  readonly #rng: Rng;
  #parser = mqtt.parser();
  #lastHeardMs = 0;
  #publications = 0;
  /** Messages of the session that wait to be sent on this connection: no more are under way than the server takes. */
  #unsent: Outgoing[] = [];
  #receiveMaximum = 0xffff;
  #quota = 0;
  #node: SimulatedNode;
  #stopped = false;
  /** It goes when the next message comes, without taking it: that one must be sent again. */
  #leavesWithNext = false;
  /** The register being read, and what has come of it. */
  #reading: { readonly topic: string; readonly askedMs: number; subscribed: boolean; value: string | null } | null =
    null;
  #control: { readonly packetId: number; readonly filter: string; readonly kind: 'subscribe' | 'unsubscribe' } | null =
    null;

  constructor(options: ClientOptions) {
    this.options = options;
    this.name = options.name;
    this.plan = options.plan;
    this.#world = options.world;
    this.#rng = options.rng;
    this.#node = this.#rng.pick(options.nodes());
  }

  start(): void {
    this.#world.after(this.#rng.between(0, 2_000), () => this.#connect());
    this.#loop(PING_MS, () => this.#ping());
    const { publishes, reads, churns, everyMs, leavesEveryMs } = this.plan;
    if (publishes !== null) this.#loop(publishes.everyMs, () => this.#publish());
    if (reads.length > 0) this.#loop(everyMs, () => this.#startRead());
    if (churns) this.#loop(everyMs, () => this.#churn());
    this.#loop(leavesEveryMs, () => this.#leave());
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Nothing is waiting for an answer. */
  get idle(): boolean {
    return this.live && this.session.outgoing.size === 0 && this.#control === null;
  }

  #loop(everyMs: number, task: () => void): void {
    const next = (): void => {
      if (this.#stopped) return;
      this.#world.after(this.#rng.between(everyMs * 0.5, everyMs * 1.5), () => {
        if (this.#stopped) return;
        task();
        next();
      });
    };
    next();
  }

  #connect(): void {
    if (this.wire !== null || this.#stopped) return;
    const { nodes, watcher } = this.options;
    if (this.#rng.chance(0.6)) this.#node = this.#rng.pick(nodes());
    const wire = this.#node.accept(this);
    if (wire === null) {
      this.#retry();
      return;
    }
    this.wire = wire;
    this.connections++;
    this.live = false;
    this.#reading = null;
    this.#control = null;
    this.#lastHeardMs = this.#world.nowMs;
    const { version, clientId } = this.plan;
    const parser = mqtt.parser({ protocolVersion: version });
    this.#parser = parser;
    parser.on('packet', (packet) => {
      if (this.#parser === parser && this.wire === wire) this.#packet(packet);
    });
    parser.on('error', (error) => {
      this.#world.fail(error);
    });
    watcher.connecting(this);
    this.#world.note(this.name, 'connect', clientId, this.#node.id);
    this.send(this.#connectPacket());
    this.#world.after(CONNACK_TIMEOUT_MS, () => {
      if (this.wire === wire && !this.live) this.drop('no CONNACK', false);
    });
  }

  #connectPacket(): Packet {
    const { version, clientId, clean, expirySec, will } = this.plan;
    const delay = version === 5 && will !== null ? { properties: { willDelayInterval: will.delaySec } } : {};
    return {
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: version,
      clientId,
      clean,
      keepalive: KEEP_ALIVE_SEC,
      ...(version === 5 && { properties: { sessionExpiryInterval: clean ? 0 : (expirySec ?? 0xffffffff) } }),
      ...(will !== null && {
        will: {
          topic: will.topic,
          payload: Buffer.from(`will/${this.name}/${this.connections}`),
          qos: will.qos,
          retain: will.retain,
          ...delay,
        },
      }),
    };
  }

  send(packet: Packet): void {
    this.wire?.send(encode(packet, this.plan.version));
  }

  onData(bytes: Buffer): void {
    this.#lastHeardMs = this.#world.nowMs;
    this.#parser.parse(bytes);
  }

  onClosed(): void {
    if (this.wire !== null) this.#ended(false);
  }

  /** Gives the connection up. `half`: the server is not told. */
  drop(why: string, half: boolean): void {
    const { wire } = this;
    if (wire === null) return;
    this.#world.note(this.name, 'drop', why);
    if (half) wire.vanish();
    else wire.close();
    this.#ended(false);
  }

  /** A reset of the connection. */
  break(): void {
    this.wire?.break();
  }

  #ended(graceful: boolean): void {
    const { wire } = this;
    this.wire = null;
    this.live = false;
    if (wire !== null) this.options.watcher.disconnected(this, graceful, wire);
    this.#retry();
  }

  #retry(): void {
    this.#world.after(this.#rng.skewed(5, this.plan.longestRetryMs), () => this.#connect());
  }

  #leave(): void {
    if (this.wire === null || !this.options.busy()) return;
    if (this.plan.subscriptions.length > 0 && this.#rng.chance(0.5)) {
      this.#leavesWithNext = true;
      return;
    }
    const how = this.#rng.unit();
    if (how < 0.35) this.break();
    else if (how < 0.6) this.drop('leaves', false);
    else if (how < 0.8) this.drop('vanishes', true);
    else if (this.live) {
      this.#world.note(this.name, 'disconnect');
      this.send({ cmd: 'disconnect' });
      this.wire.close();
      this.#ended(true);
    }
  }

  #ping(): void {
    if (this.wire === null) return;
    if (this.#world.nowMs - this.#lastHeardMs > SILENCE_MS && this.live) this.drop('server is silent', true);
    else this.ping();
  }

  /** Something that the server answers, now. */
  ping(): void {
    if (this.live && this.#reading === null) this.send({ cmd: 'pingreq' });
  }

  #packet(packet: Packet): void {
    if (packet.cmd === 'connack') {
      this.#receiveMaximum = packet.properties?.receiveMaximum ?? 0xffff;
      this.#connack(packet.sessionPresent, packet.returnCode ?? packet.reasonCode ?? 0);
    } else if (packet.cmd === 'pingresp') this.#endRead();
    else if (packet.cmd === 'suback') this.#suback(packet.messageId ?? 0, Number(packet.granted[0]));
    else if (packet.cmd === 'unsuback') this.#unsuback(packet.messageId ?? 0);
    else if (packet.cmd === 'publish' && this.#leavesWithNext) {
      this.#leavesWithNext = false;
      this.drop('leaves with a message', this.#rng.chance(0.5));
    } else receive(this, packet);
  }

  #connack(sessionPresent: boolean, code: number): void {
    this.#world.note(this.name, 'connack', sessionPresent, code);
    if (code !== 0) {
      this.wire?.close();
      this.#ended(false);
      return;
    }
    this.live = true;
    this.acceptances++;
    this.options.watcher.accepted(this, sessionPresent);
    if (!sessionPresent) this.#newSession();
    this.#resend();
    this.#subscribeNext();
  }

  /** What was on its way at QoS 1 is published anew; whether a QoS 2 message got through can not be known any more. */
  #newSession(): void {
    const { outgoing } = this.session;
    this.session = new ClientSession();
    for (const message of outgoing.values()) {
      if (message.qos === 2) this.options.watcher.givenUp(this, message.payload);
      else {
        const packetId = this.session.packetId();
        this.session.outgoing.set(packetId, { ...message, packetId, sent: false });
      }
    }
  }

  #resend(): void {
    this.#quota = this.#receiveMaximum;
    this.#unsent = [];
    for (const message of this.session.outgoing.values()) {
      if (message.released) this.send({ cmd: 'pubrel', messageId: message.packetId });
      else this.#unsent.push(message);
    }
    this.#sendPublications();
  }

  /** PUBACK or PUBCOMP has come: there is room for one more (MQTT 5.0 section 4.9). */
  released(): void {
    this.#quota = Math.min(this.#quota + 1, this.#receiveMaximum);
    this.#sendPublications();
  }

  #sendPublications(): void {
    for (; this.#quota > 0; this.#quota--) {
      const message = this.#unsent.shift();
      if (message === undefined) return;
      const { packetId, topic, payload, qos, retain, sent, expirySec } = message;
      this.options.watcher.publishing(this, message, sent);
      message.sent = true;
      const properties = expiry(expirySec);
      this.send({ cmd: 'publish', topic, payload, qos, retain, dup: sent, messageId: packetId, ...properties });
    }
  }

  #publish(): void {
    const { publishes } = this.plan;
    if (!this.live || publishes === null || !this.options.busy()) return;
    const { atOnce } = publishes;
    const most = atOnce === 1 && this.#rng.chance(SMALL_BURST_CHANCE) ? SMALL_BURST : atOnce;
    const count = 1 + this.#rng.below(most);
    for (let i = 0; i < count && this.session.outgoing.size < publishes.window; i++) {
      const topic = this.#rng.pick(publishes.topics);
      const qos = this.#rng.pick(publishes.qos);
      const clears = publishes.retain && this.#rng.chance(0.1);
      const payload = clears ? '' : `${this.name}/${++this.#publications}`;
      const expirySec = this.plan.version === 5 ? this.#rng.pick(publishes.expirySec ?? [0]) : 0;
      const message = { topic, payload, qos, retain: publishes.retain, expirySec };
      if (qos === 0) {
        this.options.watcher.publishing(this, message, false);
        const { retain } = message;
        this.send({ cmd: 'publish', topic, payload, retain, qos: 0, dup: false, ...expiry(expirySec) });
        continue;
      }
      const packetId = this.session.packetId();
      const outgoing: Outgoing = { ...message, qos, packetId, sent: false, released: false };
      this.session.outgoing.set(packetId, outgoing);
      this.#unsent.push(outgoing);
    }
    this.#sendPublications();
  }

  #subscribeNext(): void {
    if (!this.live || this.#control !== null) return;
    const next = this.plan.subscriptions.find(({ filter }) => !this.session.subscribedMs.has(filter));
    if (next !== undefined && !this.plan.churns) this.#subscribe(next.filter, next.qos);
  }

  #subscribe(filter: string, qos: 0 | 1 | 2): void {
    const packetId = this.session.packetId();
    this.#control = { packetId, filter, kind: 'subscribe' };
    this.send({ cmd: 'subscribe', messageId: packetId, subscriptions: [{ topic: filter, qos }] });
  }

  #suback(packetId: number, granted: number): void {
    const control = this.#control;
    if (control?.packetId !== packetId) return;
    this.#control = null;
    this.#world.note(this.name, 'suback', control.filter, granted);
    if (this.#reading !== null) {
      this.#reading.subscribed = true;
      this.send({ cmd: 'pingreq' });
      return;
    }
    this.session.subscribedMs.set(control.filter, this.#world.nowMs);
    this.options.watcher.subscribed(this, control.filter, granted);
    this.#subscribeNext();
  }

  #unsuback(packetId: number): void {
    if (this.#control?.packetId === packetId) this.#control = null;
  }

  #unsubscribe(filter: string): void {
    const packetId = this.session.packetId();
    this.#control = { packetId, filter, kind: 'unsubscribe' };
    this.options.watcher.unsubscribing(this, filter);
    this.send({ cmd: 'unsubscribe', messageId: packetId, unsubscriptions: [filter] });
  }

  #churn(): void {
    if (!this.live || this.#control !== null || !this.options.busy()) return;
    const { filter, qos } = this.#rng.pick(this.plan.subscriptions);
    if (!this.session.subscribedMs.delete(filter)) this.#subscribe(filter, qos);
    else this.#unsubscribe(filter);
  }

  #startRead(): void {
    if (!this.live || this.#control !== null || this.#reading !== null || !this.options.busy()) return;
    const topic = this.#rng.pick(this.plan.reads);
    this.#reading = { topic, askedMs: this.#world.nowMs, subscribed: false, value: null };
    this.#subscribe(topic, this.#rng.pick(this.plan.readQos));
  }

  /** A retained message that the read has brought. */
  registerValue(topic: string, payload: string): void {
    if (this.#reading?.topic === topic && this.#reading.subscribed) this.#reading.value = payload;
  }

  #endRead(): void {
    const reading = this.#reading;
    if (reading?.subscribed !== true) return;
    this.#reading = null;
    this.options.watcher.read(this, reading.topic, reading.value, reading.askedMs);
    this.#unsubscribe(reading.topic);
  }
}

function expiry(expirySec: number): { properties?: { messageExpiryInterval: number } } {
  return expirySec === 0 ? {} : { properties: { messageExpiryInterval: expirySec } };
}
