import type { FastifySchemaValidationError } from 'fastify/types/schema.js';
import { showValue } from '../config/error.ts';

interface Described {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Described>>;
}

/** What ajv adds to an error in its verbose mode: the value, and the schema that refused it. */
interface VerboseError extends FastifySchemaValidationError {
  readonly data?: unknown;
  readonly parentSchema?: Described;
}

/**
 * Bodies and parameters are taken as they are: no text is read as a number or truth value, and an unknown field is
 * refused instead of dropped, or a mistyped `replaces` would be no `replaces`.
 */
export const AJV_OPTIONS = { coerceTypes: false, removeAdditional: false, verbose: true } as const;

/** One sentence with the field, its value and what is expected: the `description` of its schema. */
export function sentenceOfInvalid(errors: readonly FastifySchemaValidationError[], part: string): Error {
  const error: VerboseError | undefined = errors[0];
  if (error === undefined) return new Error(`${part} is not valid`);
  const field = error.instancePath.replace(/^\//, '').replaceAll('/', '.');
  const { parentSchema, params } = error;
  const missing = params['missingProperty'];
  if (error.keyword === 'required' && typeof missing === 'string') {
    const expected = parentSchema?.properties?.[missing]?.description ?? 'a value';
    return new Error(`${missing} is missing: expected ${expected}`);
  }
  const extra = params['additionalProperty'];
  if (error.keyword === 'additionalProperties' && typeof extra === 'string') {
    const known = Object.keys(parentSchema?.properties ?? {}).join(', ');
    return new Error(`unknown field ${showValue(extra)}: expected ${known}`);
  }
  const what = field === '' ? part : field;
  return new Error(`${what} is ${showValue(error.data)}: expected ${parentSchema?.description ?? 'something else'}`);
}
