/** How packets on one way between two hosts fare. */
export interface Shape {
  /** Of one hundred packets, how many are lost. */
  readonly lossPct: number;
  readonly duplicatePct: number;
  /** Of one hundred packets, how many leave at once though those before them wait. */
  readonly reorderPct: number;
  readonly delayMs: number;
  /** Added to the delay of each packet: between 0 and this. */
  readonly jitterMs: number;
}

/** One host of a network: a node's or that of some clients. */
export interface Host {
  readonly name: string;
  /** An IPv4 address that all hosts of the network reach. */
  readonly address: string;
  /** What stands in front of a command so that it runs on this host; empty when there is no other place to run it. */
  readonly commandPrefix: readonly string[];
}

/** A network of hosts whose links can be cut and made bad, one way at a time. What is neither cut nor shaped is normal. */
export interface Network {
  /** For the report: namespaces as root, namespaces of a user, or proxies. */
  readonly description: string;
  readonly hosts: ReadonlyMap<string, Host>;
  /** Whether `shape` works here, and if not, why. */
  readonly shapingUnavailable: string | null;
  /**
   * Packets from the one host to the other vanish; connections are not told. Replaces all cuts made before: what is not named
   * flows again. Resolves when it is so.
   */
  setCuts(cuts: readonly (readonly [from: string, to: string])[]): Promise<void>;
  /** The same for shapes. */
  setShapes(shapes: readonly (readonly [from: string, to: string, shape: Shape])[]): Promise<void>;
  /**
   * Where a process on one host has to dial to reach a port of another so that cuts concern the connection. Absent where that
   * is the other host's own address.
   */
  via?(from: string, to: string, port: number): Promise<{ readonly host: string; readonly port: number }>;
  /** Ends everything that it started. */
  close(): Promise<void>;
}
