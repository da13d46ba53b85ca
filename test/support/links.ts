import { createServer, type Server, Socket } from 'node:net';
import { freePorts } from './ports.ts';

/*
 * A network between processes on loopback that a test can cut: one TCP proxy for every ordered pair of nodes. Node i
 * dials j at the proxy i->j. Cutting "from a to b" freezes the bytes that travel that way, in the connections that a
 * dialed as well as in those that b dialed, and closes nothing: as with packets that are dropped, both ends believe in
 * their connection until they notice for themselves.
 */

/** What becomes of the connections of a cut when it heals: their bytes arrive late, or they turn out to be dead. */
export type HealMode = 'flow' | 'close';

interface Pair {
  readonly dialed: Socket;
  /** Null while the cut keeps the proxy from dialing: to the dialer it is a SYN without an answer. */
  target: Socket | null;
  /** An end that closed while the cut was there; the other one hears of it when it heals. */
  ended: boolean;
}

class Link {
  readonly from: string;
  readonly to: string;
  readonly port: number;
  private readonly targetPort: number;
  private readonly isCut: (from: string, to: string) => boolean;
  private readonly server: Server;
  private readonly pairs = new Set<Pair>();

  constructor(
    from: string,
    to: string,
    port: number,
    targetPort: number,
    isCut: (from: string, to: string) => boolean,
  ) {
    this.from = from;
    this.to = to;
    this.port = port;
    this.targetPort = targetPort;
    this.isCut = isCut;
    this.server = createServer({ noDelay: true, pauseOnConnect: true, allowHalfOpen: true }, (dialed) => {
      const pair: Pair = { dialed, target: null, ended: false };
      this.pairs.add(pair);
      dialed.on('error', () => this.end(pair, dialed));
      dialed.on('close', () => this.end(pair, dialed));
      this.refresh(pair);
    });
  }

  async listen(): Promise<void> {
    await new Promise<void>((done, failed) => {
      this.server.once('error', failed);
      this.server.listen({ host: '127.0.0.1', port: this.port }, done);
    });
  }

  /** Brings every connection in line with the cuts of the moment. */
  refreshAll(): void {
    for (const pair of this.pairs) this.refresh(pair);
  }

  /** Drops every connection; the nodes dial again. */
  dropAll(): void {
    for (const pair of this.pairs) this.drop(pair);
  }

  async close(): Promise<void> {
    const closed = new Promise((done) => this.server.close(done));
    this.dropAll();
    await closed;
  }

  private refresh(pair: Pair): void {
    const out = this.isCut(this.from, this.to);
    const back = this.isCut(this.to, this.from);
    if (pair.ended) {
      if (!out && !back) this.drop(pair);
      return;
    }
    // A handshake of TCP needs both ways.
    if (pair.target === null && !out && !back) this.dial(pair);
    if (pair.target === null) return;
    if (out) pair.dialed.pause();
    else pair.dialed.resume();
    if (back) pair.target.pause();
    else pair.target.resume();
  }

  private dial(pair: Pair): void {
    const target = new Socket({ allowHalfOpen: true });
    pair.target = target;
    target.setNoDelay(true);
    target.on('error', () => this.end(pair, target));
    target.on('close', () => this.end(pair, target));
    target.connect({ host: '127.0.0.1', port: this.targetPort });
    carry(pair.dialed, target);
    carry(target, pair.dialed);
  }

  private end(pair: Pair, socket: Socket): void {
    socket.destroy();
    pair.ended = true;
    if (!this.isCut(this.from, this.to) && !this.isCut(this.to, this.from)) this.drop(pair);
  }

  private drop(pair: Pair): void {
    this.pairs.delete(pair);
    pair.dialed.destroy();
    pair.target?.destroy();
  }
}

/** Bytes from one socket to the other; not `pipe`, whose own pauses would mix with those of a cut. */
function carry(source: Socket, sink: Socket): void {
  source.on('data', (chunk) => {
    if (!sink.destroyed) sink.write(chunk);
  });
  source.on('end', () => {
    if (!sink.destroyed) sink.end();
  });
}

/** All links of a cluster. */
export class Links {
  private readonly ids: readonly string[];
  private readonly links: Link[] = [];
  private readonly cuts = new Set<string>();

  private constructor(ids: readonly string[]) {
    this.ids = ids;
  }

  /** Opens a proxy for every ordered pair of these nodes, to the peer ports given. */
  static async open(peerPorts: ReadonlyMap<string, number>): Promise<Links> {
    const ids = [...peerPorts.keys()];
    const links = new Links(ids);
    const ordered = ids.flatMap((from) => ids.filter((to) => to !== from).map((to) => ({ from, to })));
    const ports = await freePorts(ordered.length);
    for (const [at, { from, to }] of ordered.entries()) {
      const isCut = (a: string, b: string): boolean => links.cuts.has(`${a}>${b}`);
      links.links.push(new Link(from, to, ports[at] as number, peerPorts.get(to) as number, isCut));
    }
    await Promise.all(links.links.map((link) => link.listen()));
    return links;
  }

  /** The port at which `from` reaches `to`. */
  port(from: string, to: string): number {
    const link = this.links.find((each) => each.from === from && each.to === to);
    if (link === undefined) throw new Error(`no link from ${from} to ${to}`);
    return link.port;
  }

  /** Freezes what travels from `from` to `to`, and with `both` what travels back. */
  cut(from: string, to: string, direction: 'oneWay' | 'both' = 'both'): void {
    this.cuts.add(`${from}>${to}`);
    if (direction === 'both') this.cuts.add(`${to}>${from}`);
    this.refresh();
  }

  /** Cuts a node off from all others, both ways. */
  isolate(id: string): void {
    for (const other of this.ids) if (other !== id) this.cut(id, other);
  }

  /** Ends every cut. */
  heal(mode: HealMode = 'flow'): void {
    const cut = [...this.cuts];
    this.cuts.clear();
    if (mode === 'close') {
      for (const link of this.links) {
        if (cut.includes(`${link.from}>${link.to}`) || cut.includes(`${link.to}>${link.from}`)) link.dropAll();
      }
    }
    this.refresh();
  }

  async close(): Promise<void> {
    this.cuts.clear();
    await Promise.all(this.links.map((link) => link.close()));
  }

  private refresh(): void {
    for (const link of this.links) link.refreshAll();
  }
}
