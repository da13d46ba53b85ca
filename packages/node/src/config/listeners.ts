import { resolve } from 'node:path';
import { type Address, formatAddress } from './address.ts';
import { ConfigError } from './error.ts';
import { address, derived, type Infer, integer, oneOf, required, text, textList } from './key-types.ts';

/** How the bytes of MQTT travel. */
export type Transport = 'tcp' | 'tls' | 'ws' | 'wss';

/** Most of `listeners`; each has a label in the metrics. */
export const MAX_LISTENERS = 16;
/** The name of the listener that the key `mqtt` describes. */
export const MAIN_LISTENER = 'mqtt';
const DEFAULT_PATH = '/mqtt';

const file = (doc: string) =>
  derived(
    text({
      doc,
      // biome-ignore lint/suspicious/noControlCharactersInRegex: NUL ends a path in every system call.
      pattern: /^[^\u0000]+$/,
      expected: 'the path of a PEM file',
    }),
    'none',
  );

/** The keys of one of `listeners`. */
export const LISTENER = {
  name: text({
    doc: 'Names it in logs and metrics.',
    pattern: /^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$/,
    expected: '1 to 32 letters, digits, - and _, in quotes where YAML would read a number',
  }),
  bind: required(address({ doc: 'Where clients connect.', default: { host: '127.0.0.1', port: 1 } })),
  transport: required(
    oneOf<Transport>({ doc: 'How MQTT travels.', values: ['tcp', 'tls', 'ws', 'wss'], default: 'tcp' }),
  ),
  tls: {
    certFile: file(
      'Certificate of the node, followed by those of the authorities between it and the root. For tls and wss.',
    ),
    keyFile: file('Its private key, without passphrase.'),
    caFile: file('Certificates of the authorities that vouch for clients.'),
    clientCertificates: oneOf({
      doc: 'Whether clients have to show a certificate that caFile vouches for; request takes those without one, too.',
      values: ['none', 'request', 'require'],
      default: 'none',
    }),
    minVersion: oneOf({ doc: 'Oldest version of TLS.', values: ['TLSv1.2', 'TLSv1.3'], default: 'TLSv1.2' }),
  },
  proxyProtocol: oneOf({
    doc:
      'Whether every connection begins with a PROXY protocol header (version 1 or 2), whose client address is then ' +
      'believed. Only for a listener that nobody but the load balancer can reach.',
    values: ['off', 'required'],
    default: 'off',
  }),
  path: derived(
    text({ doc: 'Path of the WebSocket. For ws and wss.', pattern: /^\/[^\s?#]*$/, expected: 'a path like /mqtt' }),
    DEFAULT_PATH,
  ),
  origins: textList({
    doc: 'Origins of the pages that may open a WebSocket, any when none are named; programs have none and always may.',
    pattern: /^https?:\/\/[^\s/?#]+$/,
    expected: 'a list of origins like https://example.org, 64 at most',
    max: 64,
  }),
  maxConnections: derived(
    integer({ doc: 'Most connections to this listener.', default: 1, min: 1, max: 1_000_000 }),
    'limits.maxConnections',
  ),
};

/** Certificates of a listener. */
export interface TlsConfig {
  readonly certFile: string;
  readonly keyFile: string;
  /** Null when clients are not asked for certificates. */
  readonly caFile: string | null;
  readonly clientCertificates: 'none' | 'request' | 'require';
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
}

/** One place where MQTT clients connect, complete. */
export interface ListenerConfig {
  /** Unique in this node. */
  readonly name: string;
  readonly bind: Address;
  readonly transport: Transport;
  /** Null for tcp and ws. */
  readonly tls: TlsConfig | null;
  readonly proxyProtocol: 'off' | 'required';
  readonly path: string;
  /** Empty: any. */
  readonly origins: readonly string[];
  /** Null: only the node's own limit holds. */
  readonly maxConnections: number | null;
}

type Draft = Infer<typeof LISTENER>;

/** The path of a listener's key, as in refusals: `listeners.0.bind`. */
export function listenerKey(at: number, name: string): string {
  return `listeners.${String(at)}.${name}`;
}

function refuse(key: string, value: unknown, message: string): never {
  throw new ConfigError('CONFLICT', key, value, message);
}

/** @throws {ConfigError} when the values of one listener do not fit together */
export function completeListener(draft: Draft, at: number): ListenerConfig {
  const { name, bind, transport, proxyProtocol, origins } = draft;
  const overWebSocket = transport === 'ws' || transport === 'wss';
  if (!overWebSocket && (draft.path !== undefined || origins.length > 0)) {
    const key = listenerKey(at, draft.path === undefined ? 'origins' : 'path');
    refuse(key, draft.path ?? origins, `${key} is given for transport ${transport}: expected transport ws or wss`);
  }
  return {
    ...{ name, bind, transport, proxyProtocol, origins },
    tls: transport === 'tls' || transport === 'wss' ? tlsOf(draft, at) : noTls(draft, at),
    path: draft.path ?? DEFAULT_PATH,
    maxConnections: draft.maxConnections ?? null,
  };
}

function noTls({ tls, transport }: Draft, at: number): null {
  for (const name of ['certFile', 'keyFile', 'caFile'] as const) {
    const key = listenerKey(at, `tls.${name}`);
    if (tls[name] === undefined) continue;
    refuse(key, tls[name], `${key} is given for transport ${transport}: expected transport tls or wss`);
  }
  if (tls.clientCertificates === 'none') return null;
  const key = listenerKey(at, 'tls.clientCertificates');
  const message = `${key} is ${tls.clientCertificates} for transport ${transport}: expected transport tls or wss`;
  return refuse(key, tls.clientCertificates, message);
}

function tlsOf({ tls, transport }: Draft, at: number): TlsConfig {
  const { clientCertificates, minVersion } = tls;
  const given = (name: 'certFile' | 'keyFile' | 'caFile', why: string): string => {
    const path = tls[name];
    const key = listenerKey(at, `tls.${name}`);
    if (path !== undefined) return resolve(path);
    throw new ConfigError('MISSING_KEY', key, undefined, `${key} is missing: expected the path of a PEM file, ${why}`);
  };
  const why = `since transport is ${transport}`;
  // The authorities that Node trusts by default are those of the web: any of them would vouch for a client.
  const asks = clientCertificates !== 'none';
  const caFile = asks ? given('caFile', `since clientCertificates is ${clientCertificates}`) : null;
  if (!asks && tls.caFile !== undefined) {
    const key = listenerKey(at, 'tls.caFile');
    refuse(key, tls.caFile, `${key} is given, but clientCertificates is none: expected request or require`);
  }
  return { certFile: given('certFile', why), keyFile: given('keyFile', why), caFile, clientCertificates, minVersion };
}

/** @throws {ConfigError} when two listeners have the same name */
export function checkListenerNames(listeners: readonly ListenerConfig[]): void {
  const seen = new Set([MAIN_LISTENER]);
  for (const [at, { name, bind }] of listeners.entries()) {
    const key = listenerKey(at, 'name');
    const other = name === MAIN_LISTENER ? 'the key mqtt' : 'a listener before it';
    if (seen.has(name)) {
      refuse(key, name, `${key} is ${name} (at ${formatAddress(bind)}), the name of ${other}: expected another name`);
    }
    seen.add(name);
  }
}
