import { type LimitName, StateLimits, writeSettings } from '@quorate/broker';
import type { Bench } from './log.ts';

/** Runs `body` with another fixed limit or, for states that it makes, default: the real ones take gigabytes to reach. */
export function withLimit(name: keyof typeof StateLimits, value: number, body: () => void): void {
  const limits: Record<keyof typeof StateLimits, number> = StateLimits;
  const before = limits[name];
  limits[name] = value;
  try {
    body();
  } finally {
    limits[name] = before;
  }
}

/** Sets a limit of a state that is there, by a command. */
export function setLimit(bench: Bench, name: LimitName, value: number): void {
  bench.on('a', (writer) => {
    writeSettings(writer, { limits: { [name]: value } });
  });
}
