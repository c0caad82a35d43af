/**
 * Shapes as tests see them: clients must tolerate unknown fields, but a field that is sent and not documented is a
 * mistake of ours. Free objects stay free.
 */
export function strictSchemas<Schemas extends object>(schemas: Schemas): Schemas {
  return Object.fromEntries(
    Object.entries(schemas).map(([name, schema]) => [name, strict(schema)]),
  ) as Schemas;
}

function strict(schema: unknown): unknown {
  if (typeof schema !== 'object' || schema === null) return schema;
  if (Array.isArray(schema)) return schema.map(strict);
  const inner = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, strict(value)]));
  const isShape = inner['type'] === 'object' && 'properties' in inner && !('additionalProperties' in inner);
  return isShape ? { ...inner, additionalProperties: false } : inner;
}
