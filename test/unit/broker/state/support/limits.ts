import { StateLimits } from '@quorate/broker';

/** Runs `body` under a smaller limit: the real ones take gigabytes to reach. */
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
