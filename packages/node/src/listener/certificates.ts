import { stat } from 'node:fs/promises';
import { ConfigError } from '../config/error.ts';
import type { TlsConfig } from '../config/index.ts';
import type { ListenerLogger } from './failure-log.ts';
import { isOutOfTime, readTlsFiles, TlsFileError, type TlsMaterial, validityProblem } from './tls-files.ts';

/** The certificate, key and authorities of one listener, as they lie on the disk now. */
export class Certificates {
  readonly #name: string;
  readonly #config: TlsConfig;
  readonly #logger: ListenerLogger;
  #material: TlsMaterial | null = null;
  /** State of the files when they were last read, with whatever result. */
  #read = '';
  /** State of the files at the last look. */
  #seen = '';
  #busy = false;

  /** @param name of the listener */
  constructor(name: string, config: TlsConfig, logger: ListenerLogger) {
    this.#name = name;
    this.#config = config;
    this.#logger = logger;
  }

  /**
   * Reads them for the first time; rejects with a {@link ConfigError} when they can not be used. A certificate that has
   * expired is only warned about: some devices have no clock, and for those it does.
   */
  async open(): Promise<TlsMaterial> {
    this.#read = await this.#stateOfFiles();
    this.#seen = this.#read;
    try {
      this.#material = await readTlsFiles(this.#config);
    } catch (error) {
      throw error instanceof TlsFileError
        ? new ConfigError(error.code, error.file, error.path, `listener ${this.#name}: ${error.message}`)
        : error;
    }
    this.#warnOfTime(this.#material);
    return this.#material;
  }

  /**
   * Reads them again if they have changed and stood still since the last call: the certificate is written before its
   * key, or after. Resolves with null when there is nothing new that can be used. Never rejects.
   */
  async poll(): Promise<TlsMaterial | null> {
    return this.#alone(async () => {
      const state = await this.#stateOfFiles();
      const stoodStill = state === this.#seen;
      this.#seen = state;
      return state === this.#read || !stoodStill ? null : this.#reread(state);
    });
  }

  /** Reads them again whether or not they have changed, as an operator asks. */
  async reload(): Promise<TlsMaterial | null> {
    return this.#alone(async () => this.#reread(await this.#stateOfFiles()));
  }

  async #alone(work: () => Promise<TlsMaterial | null>): Promise<TlsMaterial | null> {
    if (this.#busy) return null;
    this.#busy = true;
    try {
      return await work();
    } finally {
      this.#busy = false;
    }
  }

  async #reread(state: string): Promise<TlsMaterial | null> {
    this.#read = state;
    this.#seen = state;
    try {
      const material = await readTlsFiles(this.#config);
      this.#refuseOutOfTime(material);
      this.#material = material;
      const { subject, validTo } = material.certificate;
      const shown = subject.replaceAll('\n', ', ');
      const message = `listener ${this.#name} uses the certificate of ${shown}, valid until ${validTo}`;
      this.#logger.info({ listener: this.#name, fingerprint256: material.certificate.fingerprint256 }, message);
      this.#warnOfTime(material);
      return material;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const message = `listener ${this.#name} goes on with the certificate that it has: ${reason}`;
      this.#logger.error({ listener: this.#name, err: error }, message);
      return null;
    }
  }

  /** One that clients refuse does not take the place of one that they accept. */
  #refuseOutOfTime(material: TlsMaterial): void {
    const nowMs = Date.now();
    const old = this.#material;
    if (!isOutOfTime(material.certificate, nowMs) || old === null || isOutOfTime(old.certificate, nowMs)) return;
    const problem = validityProblem(material.certificate, nowMs) ?? 'is out of time';
    throw new TlsFileError('BAD_VALUE', 'certFile', this.#config.certFile, `, whose certificate ${problem}`);
  }

  #warnOfTime({ certificate }: TlsMaterial): void {
    const problem = validityProblem(certificate, Date.now());
    if (problem === null) return;
    this.#logger.warn({ listener: this.#name }, `the certificate of listener ${this.#name} ${problem}`);
  }

  /** Names what the paths lead to, so that it changes when a file, or a link to it, is replaced or written. */
  async #stateOfFiles(): Promise<string> {
    const { certFile, keyFile, caFile } = this.#config;
    const paths = caFile === null ? [certFile, keyFile] : [certFile, keyFile, caFile];
    const states = await Promise.all(
      paths.map(async (path) => {
        try {
          const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
          return [dev, ino, size, mtimeNs, ctimeNs].join(':');
        } catch (error) {
          return (error as NodeJS.ErrnoException).code ?? 'unknown';
        }
      }),
    );
    return states.join(' ');
  }
}
