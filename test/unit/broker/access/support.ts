import type {
  AccessControl,
  AuthenticationExchange,
  AuthenticationOutcome,
  BrokerLog,
  Credentials,
  Grant,
  Refusal,
} from '@quorate/broker';
import { LogBus, type LogBusOptions } from '../../../support/log-bus.ts';
import type { FakeClient } from '../../../support/log-bus-client.ts';
import { assert } from '../../../support/suite.ts';
import { type ConnectOptions, codeOf, connectPacket, SETTLE_MS } from '../support.ts';

export const METHOD = 'RIDDLE';
export const RIGHT = 'right';

export interface User {
  mayPublish: (topic: string, qos: number, retain: boolean) => boolean;
  maySubscribe: (filter: string, qos: number) => boolean;
  expiresAtMs: number;
  refusal: Refusal | null;
}

/** Access control whose answers the test gives when it likes. Passwords are all {@link RIGHT}. */
export class FakeAccess implements AccessControl {
  readonly users = new Map<string, User>();
  /** What was shown, in order. */
  readonly shown: Credentials[] = [];
  readonly expected: (string | null)[] = [];
  /** While true answers wait for `release`. */
  held = false;
  /** Asked since the last look. */
  filtersAsked = 0;
  topicsAsked = 0;
  methods = new Set([METHOD]);
  #waiting: (() => void)[] = [];

  user(name: string): User {
    let user = this.users.get(name);
    if (user === undefined) {
      user = {
        mayPublish: () => true,
        maySubscribe: () => true,
        expiresAtMs: Number.POSITIVE_INFINITY,
        refusal: null,
      };
      this.users.set(name, user);
    }
    return user;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Gives the answers that wait. */
  release(): void {
    this.held = false;
    for (const answer of this.#waiting.splice(0)) answer();
  }

  authenticate(credentials: Credentials, done: (outcome: AuthenticationOutcome) => void): void {
    this.shown.push(credentials);
    const { userName, password } = credentials;
    const isRight = password !== null && Buffer.from(password).toString() === RIGHT;
    this.#answer(done, isRight ? this.granted(userName, null) : refused(0x86, 'wrong password'));
  }

  beginExchange(method: string, credentials: Credentials, expected: string | null): AuthenticationExchange | null {
    if (!this.methods.has(method)) return null;
    this.shown.push(credentials);
    this.expected.push(expected);
    let userName: string | null = null;
    return {
      step: (data, done) => {
        const text = data === null ? '' : Buffer.from(data).toString();
        if (userName === null) {
          userName = text;
          return this.#answer(done, { kind: 'continue', data: Buffer.from(`who is ${text}?`) });
        }
        this.#answer(
          done,
          text === RIGHT ? this.granted(userName, Buffer.from('welcome')) : refused(0x87, 'wrong answer'),
        );
      },
    };
  }

  #answer(done: (outcome: AuthenticationOutcome) => void, outcome: AuthenticationOutcome): void {
    if (this.held) this.#waiting.push(() => done(outcome));
    else done(outcome);
  }

  granted(userName: string | null, data: Uint8Array | null): AuthenticationOutcome {
    return { kind: 'granted', grant: this.#grant(userName), data };
  }

  #grant(userName: string | null): Grant {
    const user = this.user(userName ?? '');
    return {
      userName,
      expiresAtMs: user.expiresAtMs,
      mayPublish: (topic, qos, retain) => {
        this.topicsAsked++;
        return user.mayPublish(topic, qos, retain);
      },
      maySubscribe: (filter, qos) => {
        this.filtersAsked++;
        return user.maySubscribe(filter, qos);
      },
      revoked: () => user.refusal,
    };
  }
}

export function refused(reasonCode: number, detail: string): AuthenticationOutcome {
  return { kind: 'refused', refusal: { reasonCode, detail } };
}

/** A cluster with access control, and what it logs. */
export function guarded(options: LogBusOptions = {}): { bus: LogBus; access: FakeAccess; lines: LogLine[] } {
  const access = new FakeAccess();
  const lines: LogLine[] = [];
  const keep = (details: object, message: string): void => {
    lines.push({ details, message });
  };
  const log: BrokerLog = { debug: keep, info: keep, warn: keep };
  return { bus: new LogBus({ access, log, ...options }), access, lines };
}

export interface LogLine {
  readonly details: object;
  readonly message: string;
}

export interface Login extends ConnectOptions {
  readonly user?: string;
  readonly password?: string;
}

/** Sends CONNECT with a user name and password. */
export function login(bus: LogBus, nodeId: string, clientId: string, options: Login = {}): FakeClient {
  const { user = 'alice', password = RIGHT, ...rest } = options;
  const client = bus.open(nodeId, rest.version ?? 5);
  client.send({ ...connectPacket(clientId, rest), username: user, password: Buffer.from(password) });
  return client;
}

/** A client that has come in by user name and password; its CONNACK is taken. */
export function loggedIn(bus: LogBus, nodeId: string, clientId: string, options: Login = {}): FakeClient {
  const client = login(bus, nodeId, clientId, options);
  bus.run(SETTLE_MS);
  assert.is(codeOf(client.next('connack')), 0);
  return client;
}

/** One whose session outlives its connection. */
export function loggedInToStay(bus: LogBus, nodeId: string, clientId: string, options: Login = {}): FakeClient {
  return loggedIn(bus, nodeId, clientId, { clean: false, expirySec: 3600, ...options });
}

/** Sends CONNECT with an Authentication Method. */
export function present(bus: LogBus, nodeId: string, clientId: string, options: Login = {}): FakeClient {
  const { user = 'alice', password, ...rest } = options;
  const client = bus.open(nodeId);
  const properties = { authenticationMethod: METHOD, authenticationData: Buffer.from(user) };
  const packet = connectPacket(clientId, { ...rest, properties });
  client.send(password === undefined ? packet : { ...packet, username: user, password: Buffer.from(password) });
  return client;
}

export const CONTINUE = 0x18;
export const AGAIN = 0x19;

export function auth(client: FakeClient, reasonCode: number, data: string, method = METHOD): void {
  client.send({
    cmd: 'auth',
    reasonCode,
    properties: { authenticationMethod: method, authenticationData: Buffer.from(data) },
  });
}
