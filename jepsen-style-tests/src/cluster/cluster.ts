import type { Host } from '../network/network.ts';

/** What a broker can, so that what it lacks is left out and said so instead of failing. */
export interface Features {
  readonly qos2: boolean;
  readonly retained: boolean;
  /** Sessions that outlive their connection and can be resumed on any node. */
  readonly sessionsOnAnyNode: boolean;
  readonly sharedSubscriptions: boolean;
  readonly wills: boolean;
  readonly messageExpiry: boolean;
  readonly membership: boolean;
  readonly leadershipTransfer: boolean;
}

/** One node as a nemesis handles it. All methods resolve when it has happened, and reject when it can not. */
export interface NodeHandle {
  readonly id: string;
  readonly host: Host;
  readonly mqttPort: number;
  readonly dataDir: string;
  readonly logFile: string;
  readonly running: boolean;
  /** Starts the process; resolves when it is started, not when it is ready. */
  start(environment?: Readonly<Record<string, string>>): Promise<void>;
  /** SIGTERM, and waits for the end. */
  stop(): Promise<void>;
  /** SIGKILL, and waits for the end. */
  kill(): Promise<void>;
  pause(): void;
  resume(): void;
  /** Deletes its data. Only while it does not run. */
  wipe(): Promise<void>;
}

/** Settings of the whole cluster by their names. */
export type ClusterSettings = Readonly<Record<string, string | number>>;

/** A cluster of real processes. */
export interface Cluster {
  /** Name, version and the settings that matter: for the report. */
  readonly description: string;
  readonly features: Features;
  readonly nodes: readonly NodeHandle[];
  /** Each end of a process by itself, with an error, that no fault explains. */
  readonly unexplainedEnds: readonly string[];
  /** Starts the first members. */
  start(): Promise<void>;
  /** Resolves when all nodes that run are ready for clients. */
  ready(timeoutMs: number): Promise<void>;
  /** Who leads, as most nodes see it; null when nobody does or the broker does not tell. */
  leader(): Promise<{ readonly id: string; readonly term: number } | null>;
  transferLeadership?(to: string): Promise<void>;
  /** A new node on a host that has none, or on that of one that was removed; a voter when this resolves. */
  addNode?(replaces?: string): Promise<NodeHandle>;
  /** It is no member when this resolves, its process has ended and its data is gone. */
  removeNode?(id: string): Promise<void>;
  /** Whether these nodes and no others are voters, in the eyes of all of them; absent when the broker does not tell. */
  isWhole?(): Promise<boolean>;
  /** Whether a node says that it is ready for clients; absent when the broker does not tell. */
  isReady?(id: string): Promise<boolean>;
  /** The settings of the cluster that a node goes by; null without an answer. */
  settingsOf?(id: string): Promise<ClusterSettings | null>;
  /**
   * Changes them at a node: `refused` when nothing is changed now, `unknown` when it may be or may yet be.
   * Rejects when the node would never take such a change.
   */
  changeSettings?(id: string, change: ClusterSettings): Promise<'done' | 'refused' | 'unknown'>;
  /** Builds between which a rolling upgrade goes; the first is the one that nodes are started with. */
  readonly builds?: readonly string[];
  /** The build of the node's next start. */
  setBuild?(id: string, build: string): void;
  /** The node's process may end by itself from now on: a fault explains it. Until its next start. */
  excuse(id: string, why: string): void;
  /** Ends all processes. Rejects when one had ended by itself with an error, other than by a fault that explains it. */
  close(): Promise<void>;
}
