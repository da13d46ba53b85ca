/** Who used the processors, read from /proc. On other systems than Linux the figures are null. */
import { readFileSync, statfsSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { performance } from 'node:perf_hooks';

/** Clock ticks per second in /proc; 100 on every Linux (proc(5), USER_HZ). */
const TICKS_PER_SECOND = 100;
const TMPFS_MAGIC = 0x0102_1994;

/** Readings at one moment. */
export interface CpuSnapshot {
  readonly atMs: number;
  readonly generatorSeconds: number;
  readonly brokerSeconds: number | null;
  readonly machine: { readonly busyTicks: number; readonly totalTicks: number } | null;
  readonly eventLoop: ReturnType<typeof performance.eventLoopUtilization>;
}

/** What was used between two snapshots. */
export interface CpuUsage {
  /** Cores the generator used; near 1.0 it is the bottleneck. */
  readonly generatorCores: number;
  /** Share of time the generator's event loop was not idle, 0 to 1. */
  readonly eventLoopBusy: number;
  readonly machineBusy: number | null;
  readonly brokerCores: number | null;
  readonly brokerSeconds: number | null;
}

/** Reads everything now. @param pids of the broker processes; empty for unknown */
export function takeSnapshot(pids: readonly number[]): CpuSnapshot {
  const own = process.cpuUsage();
  return {
    atMs: performance.now(),
    generatorSeconds: (own.user + own.system) / 1e6,
    brokerSeconds: sumOrNull(pids, processCpuSeconds),
    machine: machineTicks(),
    eventLoop: performance.eventLoopUtilization(),
  };
}

/** The difference of two snapshots. */
export function usageBetween(before: CpuSnapshot, after: CpuSnapshot): CpuUsage {
  const seconds = Math.max(1e-3, (after.atMs - before.atMs) / 1000);
  const broker =
    before.brokerSeconds === null || after.brokerSeconds === null ? null : after.brokerSeconds - before.brokerSeconds;
  const total = before.machine && after.machine ? after.machine.totalTicks - before.machine.totalTicks : 0;
  const busy = before.machine && after.machine ? after.machine.busyTicks - before.machine.busyTicks : 0;
  return {
    generatorCores: (after.generatorSeconds - before.generatorSeconds) / seconds,
    eventLoopBusy: performance.eventLoopUtilization(after.eventLoop, before.eventLoop).utilization,
    machineBusy: total > 0 ? busy / total : null,
    brokerCores: broker === null ? null : broker / seconds,
    brokerSeconds: broker,
  };
}

/** User and system seconds of a process, or null when it cannot be read. */
export function processCpuSeconds(pid: number): number | null {
  const text = readProc(`/proc/${pid}/stat`);
  if (text === null) return null;
  // The command name, in parentheses, may itself hold spaces and parentheses: count fields after the last one.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Resident memory of all `pids` in MiB, or null. */
export function residentMib(pids: readonly number[]): number | null {
  return sumOrNull(pids, (pid) => {
    const match = /^VmRSS:\s+(\d+) kB/m.exec(readProc(`/proc/${pid}/status`) ?? '');
    return match === null ? null : Number(match[1]) / 1024;
  });
}

function sumOrNull(pids: readonly number[], read: (pid: number) => number | null): number | null {
  if (pids.length === 0) return null;
  let sum = 0;
  for (const pid of pids) {
    const value = read(pid);
    if (value === null) return null;
    sum += value;
  }
  return sum;
}

function machineTicks(): CpuSnapshot['machine'] {
  const line = readProc('/proc/stat')?.split('\n', 1)[0];
  if (line === undefined) return null;
  // user nice system idle iowait irq softirq steal; guest time is contained in user.
  const ticks = line.trim().split(/\s+/).slice(1, 9).map(Number);
  const totalTicks = ticks.reduce((sum, value) => sum + value, 0);
  return { totalTicks, busyTicks: totalTicks - (ticks[3] ?? 0) - (ticks[4] ?? 0) };
}

function readProc(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

/** The machine a result was taken on. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly kernel: string;
  readonly node: string;
}

export function describeMachine(): Machine {
  const list = cpus();
  return {
    cpu: list[0]?.model.trim() ?? 'unknown CPU',
    cores: list.length,
    kernel: `${process.platform} ${release()}`,
    node: process.version,
  };
}

/** Whether `path` lies in memory, where fsync costs nothing. */
export function isMemoryFilesystem(path: string): boolean {
  return process.platform === 'linux' && statfsSync(path).type === TMPFS_MAGIC;
}
