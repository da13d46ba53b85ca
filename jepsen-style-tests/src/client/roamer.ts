import type { ConnectOperation, Will } from '../history/operation.ts';
import type { Random } from '../random.ts';
import type { NodeAddress } from './packets.ts';
import type { RecordingClient } from './recording-client.ts';

const MIN_DELAY_MS = 20;
const MAX_DELAY_MS = 150;

/** Options of {@link Roamer}. */
export interface RoamerOptions {
  readonly nodes: readonly NodeAddress[];
  /** Which node of these it begins at. */
  readonly home: number;
  readonly random: Random;
  /** A new will for each connection. */
  readonly will?: () => Will | undefined;
  /**
   * Called when a connection is accepted. When it resolves to false the connection is cut and another one tried.
   */
  readonly onUp?: (connect: ConnectOperation) => Promise<boolean>;
  /**
   * How long it stays away, in milliseconds, after a connection that it did not leave itself. Without it, it tries the next node
   * at once: then no node is ever given up while this client is still the one's whose connection was there.
   */
  readonly absenceMs?: () => number;
}

/** Keeps a client connected: a node that refuses, does not answer or goes is left for the next one after a short while. */
export class Roamer {
  readonly client: RecordingClient;
  private readonly options: RoamerOptions;
  private at: number;
  private stopping = false;
  /** While not 0, it stays away. */
  private restUntilMs = 0;
  private wake: (() => void) | null = null;
  private loop: Promise<void> | null = null;
  private upNow = false;
  private isLeaving = false;
  private isHurried = false;

  constructor(client: RecordingClient, options: RoamerOptions) {
    this.client = client;
    this.options = options;
    this.at = options.home % options.nodes.length;
  }

  /** Whether it is connected and `onUp` is through. */
  get up(): boolean {
    return this.upNow && this.client.node !== null;
  }

  start(): void {
    this.loop ??= this.run();
  }

  /**
   * Leaves its node for another one.
   *
   * @param how with DISCONNECT, or by cutting the connection; @param restMs how long it stays away in between
   */
  async leave(how: 'disconnect' | 'cut', restMs = 0): Promise<void> {
    this.at =
      (this.at + 1 + this.options.random.below(Math.max(1, this.options.nodes.length - 1))) % this.options.nodes.length;
    this.restUntilMs = performance.now() + restMs;
    this.isLeaving = true;
    if (how === 'cut') this.client.cut();
    else await this.client.disconnect();
  }

  /** From now on it does not stay away any more, whatever was asked for. */
  hurry(): void {
    this.isHurried = true;
    this.wake?.();
  }

  /** Ends it, with DISCONNECT; what is unfinished then stays so. */
  async stop(): Promise<void> {
    this.stopping = true;
    this.wake?.();
    await this.client.disconnect();
    await this.loop;
    this.client.giveUp();
  }

  private async run(): Promise<void> {
    const { nodes, will, onUp, absenceMs, random } = this.options;
    while (!this.stopping) {
      const node = nodes[this.at] as NodeAddress;
      this.isLeaving = false;
      const result = await this.client.connect(node, will?.());
      if (result.outcome === 'ok') {
        this.upNow = onUp === undefined || (await onUp(result));
        if (!this.upNow) this.client.cut();
        await this.client.closed();
        this.upNow = false;
        if (!this.isLeaving) this.restUntilMs = performance.now() + (absenceMs?.() ?? 0);
      }
      if (this.stopping) return;
      // Unless `leave` has chosen another.
      if (nodes[this.at] === node) this.at = (this.at + 1) % nodes.length;
      const restMs = this.isHurried ? 0 : this.restUntilMs - performance.now();
      const delayMs = Math.max(random.between(MIN_DELAY_MS, MAX_DELAY_MS), restMs);
      await this.pause(delayMs);
    }
  }

  private pause(delayMs: number): Promise<void> {
    return new Promise((done) => {
      const timer = setTimeout(() => this.wake?.(), delayMs);
      this.wake = () => {
        clearTimeout(timer);
        this.wake = null;
        done();
      };
    });
  }
}
