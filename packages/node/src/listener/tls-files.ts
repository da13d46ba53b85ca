import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { ConfigError, type ConfigErrorCode } from '../config/error.ts';
import { type ListenerConfig, listenerKey, type TlsConfig } from '../config/listeners.ts';

/** A certificate, key or list of authorities that can not be used. */
export class TlsFileError extends Error {
  readonly code: ConfigErrorCode;
  readonly file: 'certFile' | 'keyFile' | 'caFile';
  readonly path: string;

  /** @param problem follows "certFile is PATH" */
  constructor(code: ConfigErrorCode, file: TlsFileError['file'], path: string, problem: string) {
    super(`${file} is ${JSON.stringify(path)}${problem}`);
    this.name = 'TlsFileError';
    this.code = code;
    this.file = file;
    this.path = path;
  }
}

/** What the files of one listener hold, checked. */
export interface TlsMaterial {
  /** For `tls.createServer` and `setSecureContext`. */
  readonly options: SecureContextOptions;
  /** The node's own certificate. */
  readonly certificate: X509Certificate;
}

interface Contents {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca: Buffer | null;
}

function unreadable(file: TlsFileError['file'], path: string, error: unknown): TlsFileError {
  const code = (error as NodeJS.ErrnoException).code ?? String(error);
  return new TlsFileError('FILE_UNREADABLE', file, path, `, which cannot be read (${code}): expected a PEM file`);
}

function certificateIn(file: 'certFile' | 'caFile', path: string, bytes: Buffer): X509Certificate {
  try {
    return new X509Certificate(bytes);
  } catch {
    throw new TlsFileError('BAD_VALUE', file, path, ', which holds no certificate: expected a PEM file with one');
  }
}

function checkKey(tls: TlsConfig, certificate: X509Certificate, key: Buffer): void {
  let matches: boolean;
  try {
    matches = certificate.checkPrivateKey(createPrivateKey(key));
  } catch {
    const problem = ', which holds no private key that can be used: expected a PEM file with one, without passphrase';
    throw new TlsFileError('BAD_VALUE', 'keyFile', tls.keyFile, problem);
  }
  if (matches) return;
  const certificateAt = JSON.stringify(tls.certFile);
  const problem = `, which is not the key of the certificate in ${certificateAt}: expected its private key`;
  throw new TlsFileError('CONFLICT', 'keyFile', tls.keyFile, problem);
}

function materialOf(tls: TlsConfig, contents: Contents): TlsMaterial {
  const { cert, key, ca } = contents;
  const certificate = certificateIn('certFile', tls.certFile, cert);
  checkKey(tls, certificate, key);
  if (ca !== null && tls.caFile !== null) certificateIn('caFile', tls.caFile, ca);
  const options: SecureContextOptions = { cert, key, minVersion: tls.minVersion, ...(ca !== null && { ca }) };
  try {
    createSecureContext(options);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const problem = `, which OpenSSL refuses (${reason}): expected a certificate and key that it takes`;
    throw new TlsFileError('BAD_VALUE', 'certFile', tls.certFile, problem);
  }
  return { options, certificate };
}

function readSync(file: TlsFileError['file'], path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw unreadable(file, path, error);
  }
}

async function read(file: TlsFileError['file'], path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw unreadable(file, path, error);
  }
}

/**
 * Reads the files of a listener while the node waits: at its start.
 *
 * @throws {TlsFileError}
 */
export function readTlsFilesSync(tls: TlsConfig): TlsMaterial {
  const cert = readSync('certFile', tls.certFile);
  const key = readSync('keyFile', tls.keyFile);
  return materialOf(tls, { cert, key, ca: tls.caFile === null ? null : readSync('caFile', tls.caFile) });
}

/** Reads them while the node runs; rejects with a {@link TlsFileError}. */
export async function readTlsFiles(tls: TlsConfig): Promise<TlsMaterial> {
  const cert = await read('certFile', tls.certFile);
  const key = await read('keyFile', tls.keyFile);
  return materialOf(tls, { cert, key, ca: tls.caFile === null ? null : await read('caFile', tls.caFile) });
}

/** @throws {ConfigError} when a certificate, key or list of authorities of the listeners can not be used */
export function checkTlsFiles(listeners: readonly ListenerConfig[]): void {
  for (const [at, { tls }] of listeners.entries()) {
    if (tls === null) continue;
    try {
      readTlsFilesSync(tls);
    } catch (error) {
      if (!(error instanceof TlsFileError)) throw error;
      const key = listenerKey(at, 'tls.');
      throw new ConfigError(error.code, key + error.file, error.path, key + error.message);
    }
  }
}

/** Days before its end from which on a certificate is warned about. */
const SOON_DAYS = 14;
const DAY_MS = 24 * 60 * 60 * 1000;

/** What is wrong with the time for which a certificate is valid; null when nothing is. */
export function validityProblem(certificate: X509Certificate, nowMs: number): string | null {
  const { validFrom, validTo } = certificate;
  if (nowMs > Date.parse(validTo)) return `expired on ${validTo}: clients that check it refuse it`;
  if (nowMs < Date.parse(validFrom)) return `is not valid before ${validFrom}: clients that check it refuse it`;
  if (nowMs > Date.parse(validTo) - SOON_DAYS * DAY_MS) return `expires soon, on ${validTo}`;
  return null;
}

/** True when clients that look at the time refuse it. */
export function isOutOfTime(certificate: X509Certificate, nowMs: number): boolean {
  return nowMs > Date.parse(certificate.validTo) || nowMs < Date.parse(certificate.validFrom);
}
