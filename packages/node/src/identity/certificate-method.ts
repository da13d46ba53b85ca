import type { CertificateNames, Credentials } from '@quorate/broker';
import { ReasonCode } from '@quorate/protocol';
import type { CertificateConfig } from '../config/authentication.ts';
import { type Method, NOT_MINE, proven, refused, type Verdict } from './method.ts';

/** The kind in front of a subject alternative name, as Node writes it. */
const KINDS = { dns: 'DNS:', uri: 'URI:', email: 'email:' } as const;

/** The one name of the kind, or null. */
function nameOf(certificate: CertificateNames, userName: CertificateConfig['userName']): string | null {
  if (userName === 'commonName') return certificate.commonName === '' ? null : certificate.commonName;
  const kind = KINDS[userName];
  const names = certificate.subjectAltNames.filter((name) => name.startsWith(kind));
  const name = names[0]?.slice(kind.length) ?? '';
  // Of several nobody could say which one is meant.
  return names.length === 1 && name !== '' ? name : null;
}

/** The client's certificate, which the TLS handshake has verified, says its user name. */
export class CertificateMethod implements Method {
  readonly name = 'certificate';
  readonly #config: CertificateConfig;

  constructor(config: CertificateConfig) {
    this.#config = config;
  }

  authenticate({ certificate, userName: claimed }: Credentials): Verdict {
    if (certificate === null) return NOT_MINE;
    const { userName, userNameMustMatch } = this.#config;
    const name = nameOf(certificate, userName);
    if (name === null) return NOT_MINE;
    if (userNameMustMatch && claimed !== null && claimed !== name) {
      return refused(ReasonCode.badUserNameOrPassword, `the certificate is of '${name}', the user name is another one`);
    }
    return { kind: 'granted', proven: proven(name) };
  }
}
