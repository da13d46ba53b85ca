/** A document that this version can not read: a later one wrote it, or it is damaged. */
export class UnknownDocument extends Error {
  constructor(message: string) {
    super(`${message}: upgrade this node`);
    this.name = 'UnknownDocument';
  }
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The fields of a stored JSON object, each of which has to be there and of its kind. */
export class Fields {
  readonly #values: Readonly<Record<string, unknown>>;

  constructor(values: Readonly<Record<string, unknown>>) {
    this.#values = values;
  }

  #bad(name: string): UnknownDocument {
    return new UnknownDocument(`field ${name} is not as this version knows it`);
  }

  value(name: string): unknown {
    return Object.hasOwn(this.#values, name) ? this.#values[name] : undefined;
  }

  text(name: string): string {
    const value = this.value(name);
    if (typeof value !== 'string') throw this.#bad(name);
    return value;
  }

  textOrNull(name: string): string | null {
    return this.value(name) === null ? null : this.text(name);
  }

  boolean(name: string): boolean {
    const value = this.value(name);
    if (typeof value !== 'boolean') throw this.#bad(name);
    return value;
  }

  integer(name: string, min: number, max: number): number {
    const value = this.value(name);
    if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) throw this.#bad(name);
    return value;
  }

  /** From base64. */
  bytes(name: string, minBytes: number, maxBytes: number): Uint8Array {
    const bytes = Buffer.from(this.text(name), 'base64');
    if (bytes.length < minBytes || bytes.length > maxBytes) throw this.#bad(name);
    return bytes;
  }

  group(name: string): Fields {
    const value = this.value(name);
    if (!isMap(value)) throw this.#bad(name);
    return new Fields(value);
  }

  list(name: string): readonly unknown[] {
    const value = this.value(name);
    if (!Array.isArray(value)) throw this.#bad(name);
    return value;
  }
}

/**
 * The fields of a document.
 *
 * @throws {UnknownDocument} when it is no JSON object of this version
 */
export function fieldsOf(bytes: Uint8Array, version: number): Fields {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    throw new UnknownDocument('the document is not JSON');
  }
  if (!isMap(value)) throw new UnknownDocument('the document is not an object');
  const found = value['version'];
  if (found !== version) throw new UnknownDocument(`version ${String(found)} of the document is not known`);
  return new Fields(value);
}
