import type { Checker } from '../checkers/checker.ts';
import type { NodeAddress } from '../client/packets.ts';
import { type ClientEnvironment, type ClientIdentity, RecordingClient } from '../client/recording-client.ts';
import type { ProtocolVersion } from '../client/wire.ts';
import type { Features } from '../cluster/cluster.ts';
import type { Random } from '../random.ts';

/** What an actor is given. */
export interface ActorContext {
  /** Its number within the workload, from 0. */
  readonly index: number;
  /** How many actors the workload has in all. */
  readonly actors: number;
  /** Unique within a run: workload and number. */
  readonly name: string;
  /** What all topics of the workload begin with; no slash at the end. */
  readonly topic: string;
  /** What all client ids of the run begin with. */
  readonly clientIdPrefix: string;
  readonly nodes: readonly NodeAddress[];
  readonly random: Random;
  readonly environment: ClientEnvironment;
  /** Publications a second, of one actor that publishes. */
  readonly ratePerSec: number;
  readonly version: ProtocolVersion;
  /** All that the broker speaks. */
  readonly versions: readonly ProtocolVersion[];
  /** The highest QoS that the broker has. */
  readonly maxQos: 1 | 2;
  readonly username?: string;
  readonly password?: string;
  /** Whether new operations may begin: the history takes them. */
  readonly mayBegin: () => boolean;
}

/** What one or more clients do. */
export interface Actor {
  start(): void;
  /** It has done what others rely on: subscribed, connected. */
  readonly ready: boolean;
  /** No new operations and no moves any more; what is outstanding is still received and finished. */
  drain(): void;
  /** After `drain`: nothing of its own is outstanding, and it is connected if it has something to receive. */
  readonly settled: boolean;
  /** Ends all connections; what has no answer by then is written down as unknown. */
  stop(): Promise<void>;
  /** Sessions and retained messages that it leaves behind, to be removed from a cluster that lives on. */
  readonly leftovers: Leftovers;
}

/** What a run leaves in the broker. */
export interface Leftovers {
  readonly sessions: readonly ClientIdentity[];
  readonly retained: readonly string[];
}

/** One question put to a cluster. */
export interface Workload {
  /** A word, without a dot. */
  readonly name: string;
  /** A sentence for the report. */
  readonly description: string;
  /** Actors of a usual run; more in steps of {@link step}. */
  readonly actors: number;
  /** The smallest number of actors that makes sense; roles repeat in it. */
  readonly step: number;
  /** Why it can not run on a broker with these features; null when it can. */
  unsupported(features: Features): string | null;
  actor(context: ActorContext): Actor;
  readonly checkers: readonly Checker[];
}

/** Options of {@link clientOf}. */
export interface ClientOptions {
  /** 0 by default: the session ends with its connection. */
  readonly sessionExpirySec?: number;
  readonly window?: number;
  readonly keepAliveSec?: number;
  /** Instead of the actor's name. */
  readonly clientId?: string;
  /** Instead of the actor's, if the broker speaks it. */
  readonly version?: ProtocolVersion;
}

/** The client of an actor. */
export function clientOf(context: ActorContext, options: ClientOptions = {}): RecordingClient {
  const { sessionExpirySec = 0, window = 8, keepAliveSec = 10, clientId = context.name } = options;
  return new RecordingClient(
    {
      ...{
        client: context.name,
        clientId: `${context.clientIdPrefix}${clientId}`,
        sessionExpirySec,
        keepAliveSec,
        window,
      },
      version: context.versions.find((version) => version === options.version) ?? context.version,
      ...(context.username !== undefined && { username: context.username }),
      ...(context.password !== undefined && { password: context.password }),
    },
    context.environment,
  );
}

/** Values `name:1`, `name:2`, ...: unique within a run. */
export function valuesOf(context: ActorContext): () => string {
  let last = 0;
  return () => `${context.name}:${++last}`;
}

/** A session that outlives every fault of a run. */
export const LONG_SESSION_SEC = 3_600;

/**
 * How long a client stays away that has lost its connection: every other time longer than it takes to give a dead node up, since
 * what becomes then of the sessions and the wills of the node's clients shows only where these are not somewhere else by then.
 */
export function absenceOf(random: Random): () => number {
  return () => (random.chance(50) ? random.between(8_000, 16_000) : 0);
}
