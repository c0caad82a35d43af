import { z } from 'zod';
import { isJsonObject } from './json.ts';

/** An object that a request must hold. Fields of null count as absent, but for `nullable` ones. */
export function objectShape<Shape extends z.ZodRawShape>(shape: Shape, nullable: readonly string[] = []) {
  return z.preprocess((value) => dropNulls(value, nullable), z.object(shape, 'must be a JSON object'));
}

/** As `objectShape`, for one that may be left out: all its fields are optional. */
export function optionalObjectShape<Shape extends z.ZodRawShape>(
  shape: Shape,
  nullable: readonly string[] = [],
) {
  return z.preprocess(
    (value) => (value === undefined ? {} : dropNulls(value, nullable)),
    z.object(shape, 'must be a JSON object'),
  );
}

function dropNulls(value: unknown, nullable: readonly string[]): unknown {
  if (!isJsonObject(value) || !Object.values(value).includes(null)) return value;
  // `fromEntries` defines own properties: a "__proto__" of the body stays a key like any other.
  return Object.fromEntries(
    Object.entries(value).filter(([key, field]) => field !== null || nullable.includes(key)),
  );
}
