import { RunClock } from '../history/clock.ts';
import type { Operation } from '../history/operation.ts';
import { HistoryWriter } from '../history/writer.ts';
import { seededRandom } from '../random.ts';
import { workloadOf } from '../workloads/index.ts';
import type { Actor, ActorContext } from '../workloads/workload.ts';
import { cleanUp } from './clean-up.ts';
import type { ClientCounts, ClientPlan, WorkloadShare } from './plan.ts';
import type { ClientEnvironment } from './recording-client.ts';
import { Ticker } from './ticker.ts';

const NAMED = 5;

/** All actors of one plan, in this process. */
export class Clients {
  private readonly plan: ClientPlan;
  private readonly writer: HistoryWriter;
  private readonly ticker = new Ticker();
  private readonly environment: ClientEnvironment;
  private readonly actors = new Map<string, Actor>();
  private acknowledged = 0;
  private unacknowledged = 0;
  private deliveries = 0;
  private lastDeliveryMs = performance.now();
  private draining = false;

  /** @throws when the plan names a workload that there is not */
  constructor(plan: ClientPlan) {
    this.plan = plan;
    this.writer = new HistoryWriter(plan.historyFile, { maxBytes: plan.maxHistoryBytes });
    this.environment = {
      clock: new RunClock(BigInt(plan.zeroNs)),
      record: (operation) => this.record(operation),
      ticker: this.ticker,
      connectTimeoutMs: plan.connectTimeoutMs,
      ackTimeoutMs: plan.ackTimeoutMs,
    };
    for (const share of plan.shares) {
      for (const index of share.indices) {
        const context = this.contextOf(share, index);
        this.actors.set(context.name, workloadOf(share.workload).actor(context));
      }
    }
  }

  start(): void {
    for (const actor of this.actors.values()) actor.start();
  }

  get ready(): boolean {
    return this.counts().ready === this.actors.size;
  }

  /** No new operations from here on. */
  drain(): void {
    this.draining = true;
    for (const actor of this.actors.values()) actor.drain();
  }

  counts(): ClientCounts {
    const actors = [...this.actors];
    const waiting = actors.filter(([, actor]) => (this.draining ? !actor.settled : !actor.ready)).map(([name]) => name);
    const { acknowledged, unacknowledged, deliveries, writer } = this;
    return {
      ...{ event: 'counts', acknowledged, unacknowledged, deliveries, actors: actors.length },
      ready: actors.filter(([, actor]) => actor.ready).length,
      settled: actors.filter(([, actor]) => actor.settled).length,
      waitingFor: waiting.slice(0, NAMED),
      quietMs: performance.now() - this.lastDeliveryMs,
      ...{ historyBytes: writer.sizeBytes, historyFull: writer.full },
    };
  }

  /** Ends all clients; resolves when the history is written. */
  async stop(): Promise<void> {
    await Promise.all([...this.actors.values()].map((actor) => actor.stop()));
    await this.writer.close();
    if (this.plan.cleanUp) {
      const leftovers = [...this.actors.values()].map((actor) => actor.leftovers);
      await cleanUp(this.plan.nodes, leftovers, this.environment);
    }
    this.ticker.close();
  }

  private record(operation: Operation): void {
    this.writer.append(operation);
    if (operation.kind === 'publish') {
      if (operation.outcome === 'ok') this.acknowledged++;
      else this.unacknowledged++;
    } else if (operation.kind === 'deliver') {
      this.deliveries++;
      this.lastDeliveryMs = performance.now();
    }
  }

  private contextOf(share: WorkloadShare, index: number): ActorContext {
    const { plan } = this;
    const name = `${share.workload}.${index}`;
    return {
      ...{ index, name, actors: share.actors, ratePerSec: share.ratePerSec },
      ...{ nodes: plan.nodes, environment: this.environment, random: seededRandom(plan.seed).fork(name) },
      topic: `${plan.run}/${share.workload}`,
      clientIdPrefix: `${plan.run}.`,
      version: plan.versions[index % plan.versions.length] ?? 5,
      ...{ versions: plan.versions, maxQos: plan.maxQos },
      ...(plan.username !== undefined && { username: plan.username }),
      ...(plan.password !== undefined && { password: plan.password }),
      mayBegin: () => !this.draining && this.writer.mayBegin,
    };
  }
}
