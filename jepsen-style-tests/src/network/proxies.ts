import { createServer, type Server, Socket } from 'node:net';
import type { Host, Network } from './network.ts';

/*
 * Where namespaces are not possible: hosts are addresses on loopback, and from each to each port of another there is a TCP
 * proxy once somebody asks for it with `via`. A cut freezes bytes and closes nothing, as packets that vanish do.
 */

interface Pair {
  readonly dialed: Socket;
  /** Null while a cut keeps the proxy from dialing: to the dialer it is a SYN without an answer. */
  target: Socket | null;
  /** An end that closed behind a cut; the other one hears of it when it heals. */
  ended: boolean;
  /** Ends of streams that came behind a cut. */
  held: { readonly sink: Socket; readonly flows: () => boolean }[];
}

/** Whether bytes flow, per direction. */
interface Ways {
  readonly there: () => boolean;
  readonly back: () => boolean;
}

class Proxy {
  readonly key: string;
  private readonly ways: Ways;
  private readonly target: { readonly host: string; readonly port: number };
  private readonly server: Server;
  private readonly pairs = new Set<Pair>();

  constructor(key: string, ways: Ways, target: { readonly host: string; readonly port: number }) {
    this.key = key;
    this.ways = ways;
    this.target = target;
    this.server = createServer({ noDelay: true, pauseOnConnect: true, allowHalfOpen: true }, (dialed) => {
      const pair: Pair = { dialed, target: null, ended: false, held: [] };
      this.pairs.add(pair);
      for (const event of ['error', 'close']) dialed.on(event, () => this.end(pair));
      this.refresh(pair);
    });
  }

  async listen(host: string): Promise<number> {
    await new Promise<void>((done, failed) => {
      this.server.once('error', failed);
      this.server.listen({ host, port: 0 }, done);
    });
    const address = this.server.address();
    if (address === null || typeof address === 'string') throw new Error('a proxy has no port');
    return address.port;
  }

  refreshAll(): void {
    for (const pair of this.pairs) this.refresh(pair);
  }

  async close(): Promise<void> {
    const closed = new Promise((done) => this.server.close(done));
    for (const pair of this.pairs) this.drop(pair);
    await closed;
  }

  private refresh(pair: Pair): void {
    const [there, back] = [this.ways.there(), this.ways.back()];
    if (pair.ended) {
      if (there && back) this.drop(pair);
      return;
    }
    // A handshake of TCP needs both ways.
    if (pair.target === null && there && back) this.dial(pair);
    if (pair.target === null) return;
    flow(pair.dialed, there);
    flow(pair.target, back);
    const held = pair.held;
    pair.held = held.filter(({ flows }) => !flows());
    for (const { sink, flows } of held) if (flows()) sink.end();
  }

  private dial(pair: Pair): void {
    const target = new Socket({ allowHalfOpen: true });
    pair.target = target;
    target.setNoDelay(true);
    for (const event of ['error', 'close']) target.on(event, () => this.end(pair));
    target.connect(this.target);
    carry(pair, pair.dialed, target, this.ways.there);
    carry(pair, target, pair.dialed, this.ways.back);
  }

  private end(pair: Pair): void {
    pair.ended = true;
    if (this.ways.there() && this.ways.back()) this.drop(pair);
  }

  private drop(pair: Pair): void {
    this.pairs.delete(pair);
    pair.dialed.destroy();
    pair.target?.destroy();
  }
}

function flow(socket: Socket, flows: boolean): void {
  if (flows) socket.resume();
  else socket.pause();
}

/** Without `pipe`, whose own pauses would mix with those of a cut. */
function carry(pair: Pair, source: Socket, sink: Socket, flows: () => boolean): void {
  source.on('data', (chunk) => {
    if (!sink.destroyed) sink.write(chunk);
  });
  source.on('end', () => {
    // Of an end even a paused stream tells.
    if (flows()) sink.end();
    else pair.held.push({ sink, flows });
  });
}

/** Hosts on loopback. Only what goes through `via` can be cut. */
export class ProxyNetwork implements Network {
  readonly description: string;
  readonly hosts: ReadonlyMap<string, Host>;
  readonly shapingUnavailable = 'packets can only be touched where hosts are namespaces, not with proxies on loopback';
  private readonly proxies = new Map<string, Promise<{ readonly proxy: Proxy; readonly port: number }>>();
  private opened: Proxy[] = [];
  private cuts = new Set<string>();

  constructor(names: readonly string[]) {
    // All of 127.0.0.0/8 is there on Linux; elsewhere only the first address, and ports have to differ.
    const own = process.platform === 'linux';
    const addressOf = (at: number): string => (own ? `127.0.77.${String(at + 1)}` : '127.0.0.1');
    this.hosts = new Map(names.map((name, at) => [name, { name, address: addressOf(at), commandPrefix: [] }]));
    this.description = 'proxies between hosts on loopback';
  }

  /** Opens a proxy the first time. */
  async via(from: string, to: string, port: number): Promise<{ readonly host: string; readonly port: number }> {
    const [source, target] = [this.host(from), this.host(to)];
    const key = `${from}>${to}:${String(port)}`;
    const known = this.proxies.get(key) ?? this.open(source, target, port);
    this.proxies.set(key, known);
    return { host: source.address, port: (await known).port };
  }

  setCuts(cuts: readonly (readonly [from: string, to: string])[]): Promise<void> {
    this.cuts = new Set(cuts.map(([from, to]) => `${this.host(from).name}>${this.host(to).name}`));
    for (const proxy of this.opened) proxy.refreshAll();
    return Promise.resolve();
  }

  setShapes(shapes: readonly unknown[]): Promise<void> {
    if (shapes.length === 0) return Promise.resolve();
    return Promise.reject(new Error(`links can not be shaped: ${this.shapingUnavailable}`));
  }

  async close(): Promise<void> {
    this.cuts.clear();
    await Promise.all(this.opened.map((proxy) => proxy.close()));
    this.opened = [];
    this.proxies.clear();
  }

  private async open(from: Host, to: Host, port: number): Promise<{ readonly proxy: Proxy; readonly port: number }> {
    const ways = {
      there: () => !this.cuts.has(`${from.name}>${to.name}`),
      back: () => !this.cuts.has(`${to.name}>${from.name}`),
    };
    const proxy = new Proxy(`${from.name}>${to.name}`, ways, { host: to.address, port });
    const own = await proxy.listen(from.address);
    this.opened.push(proxy);
    return { proxy, port: own };
  }

  private host(name: string): Host {
    const host = this.hosts.get(name);
    if (host === undefined) throw new Error(`no host ${name}: there are ${[...this.hosts.keys()].join(', ')}`);
    return host;
  }
}
