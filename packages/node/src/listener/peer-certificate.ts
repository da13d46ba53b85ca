import type { TLSSocket } from 'node:tls';

/** The certificate of a client, verified by an authority of the listener's `caFile`. */
export interface PeerCertificate {
  /** The common name of the subject; null when it has none or several. */
  readonly commonName: string | null;
  /** Subject alternative names with their kind in front: `DNS:pump.example`, `URI:urn:device:7`, `email:a@b.c`. */
  readonly subjectAltNames: readonly string[];
  /** SHA-256 of the certificate, in upper case with colons. */
  readonly fingerprint256: string;
}

/**
 * Takes apart Node's line of subject alternative names. A value with anything odd in it is quoted there as JSON text:
 * split at commas, one name with a comma in it would be two, and the second whatever its owner likes (CVE-2021-44532).
 */
export function splitAltNames(line: string): string[] {
  const names: string[] = [];
  const entry = /(?:^|, )([^:,"]+):("(?:[^"\\]|\\.)*"|[^,"]*)/gy;
  for (let match = entry.exec(line); match !== null; match = entry.exec(line)) {
    const [, kind = '', value = ''] = match;
    const plain = value.startsWith('"') ? unquoted(value) : value;
    if (plain !== null) names.push(`${kind}:${plain}`);
  }
  return names;
}

function unquoted(json: string): string | null {
  try {
    return String(JSON.parse(json));
  } catch {
    return null;
  }
}

/** Null when the client showed no certificate, or one that could not be verified. */
export function peerCertificateOf(socket: TLSSocket): PeerCertificate | null {
  if (!socket.authorized) return null;
  const { subject, subjectaltname, fingerprint256 } = socket.getPeerCertificate();
  if (fingerprint256 === undefined) return null;
  // An array for several, which the types of Node do not know.
  const commonName: unknown = subject.CN;
  return {
    commonName: typeof commonName === 'string' ? commonName : null,
    subjectAltNames: subjectaltname === undefined ? [] : splitAltNames(subjectaltname),
    fingerprint256,
  };
}
