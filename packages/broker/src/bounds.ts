import { Admission } from './admission.ts';
import type { Client, Host } from './connection/client.ts';
import { DropLog } from './drop-log.ts';
import { MemoryGuard } from './memory-guard.ts';
import { Pacer } from './pacer.ts';

/** What all clients of one node together may take of it (DESIGN.md of this package, "Limits"). */
export class Bounds {
  readonly admission: Admission;
  readonly pacer: Pacer<Client>;
  readonly memory: MemoryGuard;
  readonly drops: DropLog;

  constructor(host: Pick<Host, 'environment' | 'limits' | 'counters' | 'setPaused'>) {
    const { environment, limits, counters } = host;
    const nowMs = (): number => environment.nowMs();
    this.admission = new Admission(limits, counters, nowMs);
    this.pacer = new Pacer(limits, counters, nowMs, (client) => {
      if (client.paused) host.setPaused(client, true);
    });
    this.memory = new MemoryGuard(environment);
    this.drops = new DropLog(environment.log, nowMs);
  }

  tick(nowMs: number): void {
    this.admission.tick(nowMs);
    this.memory.tick(nowMs);
    this.pacer.memoryIsShort = this.memory.isShort;
    this.pacer.tick(nowMs);
  }
}
