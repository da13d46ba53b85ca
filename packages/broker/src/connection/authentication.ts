import {
  type AuthPacket,
  type ConnectPacket,
  decodePacket,
  encodeAuth,
  ProtocolError,
  ReasonCode,
} from '@quorate/protocol';
import type { AuthenticationExchange, AuthenticationOutcome, Credentials, Grant } from '../access.ts';
import type { Client, Verification } from './client.ts';
import { closeReasonOf } from './closing.ts';
import { claim } from './session-start.ts';

/** Clients whose credentials are being looked at, when `BrokerLimits` does not say. */
const MAX_VERIFICATIONS = 4096;

/** Packet types. */
const DISCONNECT = 14;
const AUTH = 15;

type Done = (outcome: AuthenticationOutcome) => void;

/** A CONNECT that this node would serve: finds out who the client is, then claims its session. */
export function authenticate(connection: Client, packet: ConnectPacket): void {
  const access = connection.broker.environment.access ?? null;
  const method = packet.authenticationMethod;
  if (access === null) {
    if (method !== null) return connection.refuse('BAD_AUTHENTICATION_METHOD');
    return claim(connection, packet);
  }
  connection.phase = 'authenticating';
  const credentials = credentialsOf(connection, packet);
  if (method === null) {
    return verify(connection, (done) => access.authenticate(credentials, done));
  }
  const exchange = access.beginExchange(method, credentials, null);
  if (exchange === null) return connection.refuse('BAD_AUTHENTICATION_METHOD', `'${method}'`);
  connection.authentication = { method, credentials: { ...credentials, password: null }, exchange, data: null };
  step(connection, exchange, packet.authenticationData);
}

function credentialsOf({ socket }: Client, packet: ConnectPacket): Credentials {
  const { clientId, username, password, protocolVersion } = packet;
  const { remoteAddress, peerCertificate } = socket;
  return { clientId, userName: username, password, certificate: peerCertificate, remoteAddress, protocolVersion };
}

/**
 * Between CONNECT and CONNACK nothing but AUTH and DISCONNECT may come [MQTT-3.1.2-30].
 *
 * @throws ProtocolError for everything else
 */
export function beforeConnack(connection: Client, header: number, buffer: Buffer, start: number, end: number): void {
  const type = header >> 4;
  if (type !== AUTH && type !== DISCONNECT) throw new ProtocolError('AUTHENTICATION_UNFINISHED', `packet type ${type}`);
  const packet = decodePacket(header, buffer, start, end, connection.version);
  if (packet.type === 'auth') return continueConnect(connection, packet);
  connection.socketClosed();
  connection.socket.end();
}

/** Whoever is waited for, access control or the client, took too long. */
export function authenticationTimedOut(connection: Client): void {
  if (connection.verification === null) connection.refuse('AUTHENTICATION_TIMEOUT');
  else connection.refuse('AUTHENTICATION_UNAVAILABLE', 'no answer in time');
}

function continueConnect(connection: Client, packet: AuthPacket): void {
  const { authentication } = connection;
  if (authentication === null || authentication.exchange === null) {
    return connection.refuse('UNEXPECTED_AUTH');
  }
  if (packet.reasonCode !== ReasonCode.continueAuthentication) {
    return connection.refuse('AUTH_OUT_OF_PLACE', 're-authentication before CONNACK');
  }
  // [MQTT-4.12.0-5]
  if (packet.authenticationMethod !== authentication.method) {
    return connection.refuse('AUTH_OUT_OF_PLACE', `method '${packet.authenticationMethod}'`);
  }
  step(connection, authentication.exchange, packet.authenticationData);
}

/** AUTH of a client that is live (MQTT 5.0 section 4.12.1). Everything else goes on meanwhile, under the old grant. */
export function reauthenticate(connection: Client, packet: AuthPacket): void {
  const { authentication, grant, broker } = connection;
  const access = broker.environment.access ?? null;
  if (authentication === null || grant === null || access === null) return connection.fail('UNEXPECTED_AUTH');
  const { method, credentials } = authentication;
  if (packet.authenticationMethod !== method) {
    return connection.fail('AUTH_OUT_OF_PLACE', `method '${packet.authenticationMethod}' after '${method}'`);
  }
  if (packet.reasonCode === ReasonCode.reAuthenticate) {
    if (authentication.exchange !== null) {
      return connection.fail('AUTH_OUT_OF_PLACE', 'a re-authentication while another one goes on');
    }
    authentication.exchange = access.beginExchange(method, credentials, grant.userName);
    if (authentication.exchange === null) return connection.fail('BAD_AUTHENTICATION_METHOD', `'${method}'`);
  }
  const { exchange } = authentication;
  if (exchange === null || connection.verification !== null) {
    return connection.fail('AUTH_OUT_OF_PLACE', 'nothing was asked of the client');
  }
  step(connection, exchange, packet.authenticationData);
}

function step(connection: Client, exchange: AuthenticationExchange, data: Uint8Array | null): void {
  verify(connection, (done) => exchange.step(data, done));
}

/**
 * Asks access control. What it owes an answer for is counted over all connections, those that went meanwhile included: a
 * client that comes and goes would pile up work otherwise.
 */
function verify(connection: Client, ask: (done: Done) => void): void {
  const { broker } = connection;
  if (broker.verifications >= (broker.limits.maxVerifications ?? MAX_VERIFICATIONS)) {
    if (connection.phase === 'live') connection.fail('AUTHENTICATION_BUSY');
    else connection.refuse('AUTHENTICATION_BUSY');
    return;
  }
  broker.verifications++;
  const verification: Verification = { client: connection };
  connection.verification = verification;
  let isAnswered = false;
  ask((outcome) => {
    // The first answer counts: a second one must not let in whom the first refused.
    if (isAnswered) return;
    isAnswered = true;
    broker.verifications--;
    const { client } = verification;
    if (client === null) return;
    client.verification = null;
    if (client.phase === 'authenticating') answered(client, outcome);
    else if (client.phase === 'live') reauthenticated(client, outcome);
  });
}

function answered(connection: Client, outcome: AuthenticationOutcome): void {
  const { authentication, connectPacket } = connection;
  switch (outcome.kind) {
    case 'refused':
      return connection.refuse(closeReasonOf(outcome.refusal.reasonCode), outcome.refusal.detail);
    case 'continue':
      if (authentication === null) return connection.refuse('NOT_AUTHORIZED', 'a challenge without a method');
      return challenge(connection, authentication.method, outcome.data);
    case 'granted':
      if (authentication !== null) {
        authentication.exchange = null;
        authentication.data = outcome.data;
      }
      if (connectPacket !== null) admit(connection, connectPacket, outcome.grant);
  }
}

/** AUTH before CONNACK. Not by the output: what is first in there is CONNACK. */
function challenge(connection: Client, method: string, data: Uint8Array): void {
  const packet = encodeAuth(ReasonCode.continueAuthentication, method, data);
  if (packet.length > connection.maximumPacketSizeBytes) return connection.refuse('ANSWER_TOO_LARGE', 'AUTH');
  connection.socket.write(packet);
  if (connection.paused) connection.process();
}

/** The client is known: may it be here, with its will? */
function admit(connection: Client, packet: ConnectPacket, grant: Grant): void {
  connection.grant = grant;
  const refusal = grant.revoked();
  if (refusal !== null) return connection.refuse(closeReasonOf(refusal.reasonCode), refusal.detail);
  const { will } = packet;
  if (will !== null && !grant.mayPublish(will.topic, will.qos, will.retain)) {
    return connection.refuse('WILL_NOT_AUTHORIZED', `'${will.topic}'`);
  }
  claim(connection, packet);
}

function reauthenticated(connection: Client, outcome: AuthenticationOutcome): void {
  const { authentication, grant } = connection;
  if (authentication === null || grant === null) return;
  if (outcome.kind === 'refused') {
    return connection.fail(closeReasonOf(outcome.refusal.reasonCode), outcome.refusal.detail);
  }
  const isGranted = outcome.kind === 'granted';
  // Whoever else it may be now: the session, its will and its subscriptions are those of the user who connected.
  if (isGranted && outcome.grant.userName !== grant.userName) {
    return connection.fail('NOT_AUTHORIZED', `re-authentication as '${outcome.grant.userName}'`);
  }
  const reasonCode = isGranted ? ReasonCode.success : ReasonCode.continueAuthentication;
  const packet = encodeAuth(reasonCode, authentication.method, outcome.data);
  if (packet.length > connection.maximumPacketSizeBytes) return connection.fail('ANSWER_TOO_LARGE', 'AUTH');
  connection.output.append(packet);
  connection.markDirty();
  if (!isGranted) return;
  authentication.exchange = null;
  connection.grant = outcome.grant;
  connection.broker.reviews.add(connection);
}
