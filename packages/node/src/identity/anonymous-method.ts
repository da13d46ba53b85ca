import type { Credentials } from '@quorate/broker';
import { type Method, NOT_MINE, proven, type Verdict } from './method.ts';

/**
 * Lets clients in that show no credentials. When it is the only method, also those that do, which nobody looks at;
 * beside others they must not get in by something that no other method could use.
 */
export class AnonymousMethod implements Method {
  readonly name = 'anonymous';
  readonly #alone: boolean;

  constructor(alone: boolean) {
    this.#alone = alone;
  }

  authenticate({ userName, password }: Credentials): Verdict {
    if (!this.#alone && (userName !== null || password !== null)) return NOT_MINE;
    return { kind: 'granted', proven: proven(null) };
  }
}
