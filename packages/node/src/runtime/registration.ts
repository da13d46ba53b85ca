import type { Broker } from '@quorate/broker';
import { nodeUpOf } from './node-up.ts';
import type { ReplicaOptions } from './replica-options.ts';

export interface RegistrationOptions extends Pick<ReplicaOptions, 'config' | 'version' | 'identity' | 'seed'> {
  readonly broker: Pick<Broker, 'register' | 'machine'>;
  readonly onFatal: (error: unknown) => void;
}

/** Under which incarnation the cluster knows this node: one that is greater than any before, or nobody would take its proposals. */
export class Registration {
  readonly #options: RegistrationOptions;
  #stopped = false;

  constructor(options: RegistrationOptions) {
    this.#options = options;
  }

  start(): void {
    this.#register(this.#options.identity.incarnation);
    // It stands in the stored state already when the process ended behind the installation of a snapshot.
    this.check();
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Whether the state knows of a greater one: of another data directory, when those of this one began by a clock that was behind. */
  check(): void {
    if (this.#known() > this.#options.identity.incarnation) this.anew();
  }

  anew(): void {
    const { identity, seed, onFatal } = this.#options;
    const known = this.#known();
    // One that is greater than its own is of a data directory of before, and the log may go on with the next ones of
    // that: those must not be taken for this node's.
    const apart = known > identity.incarnation ? seed : 0;
    identity.nextIncarnation(known + 1 + apart).then((incarnation) => {
      if (!this.#stopped) this.#register(incarnation);
    }, onFatal);
  }

  #known(): number {
    const { broker, config } = this.#options;
    return broker.machine.state.nodes.get(config.nodeId)?.incarnation ?? 0;
  }

  #register(incarnation: number): void {
    const { broker, config, version } = this.#options;
    broker.register(incarnation, nodeUpOf(config, version));
  }
}
