import { z } from 'zod';
import { shapeExamples } from './examples.ts';
import { type ShapeName, shapesByDirection } from './wire-shapes.ts';

/** OpenAPI 3.1 speaks 2020-12, AsyncAPI 3.0 draft 7. */
export type JsonSchemaDialect = 'draft-2020-12' | 'draft-7';

export type JsonSchema = { readonly [key: string]: unknown };

/** Where documents keep the shapes; they refer to each other by it. */
export function shapeRef(name: ShapeName): JsonSchema {
  return { $ref: schemaUri(name) };
}

/** Every shape of the wire as JSON Schema, by name. */
export function toJsonSchemas(dialect: JsonSchemaDialect): Readonly<Record<ShapeName, JsonSchema>> {
  const schemas = { ...convert('input', dialect), ...convert('output', dialect) };
  for (const [name, example] of Object.entries(shapeExamples)) {
    schemas[name] = { ...schemas[name], examples: [example] };
  }
  return schemas as Record<ShapeName, JsonSchema>;
}

/** The shapes that a part of a document refers to, and those that they refer to. */
export function schemasUsedBy(
  part: object,
  dialect: JsonSchemaDialect,
): Readonly<Record<string, JsonSchema>> {
  const all = toJsonSchemas(dialect);
  const used = new Set<ShapeName>();
  const visit = (value: object) => {
    for (const [, name] of JSON.stringify(value).matchAll(/"#\/components\/schemas\/(\w+)"/g)) {
      if (used.has(name as ShapeName)) continue;
      used.add(name as ShapeName);
      visit(all[name as ShapeName]);
    }
  };
  visit(part);
  return Object.fromEntries(Object.entries(all).filter(([name]) => used.has(name as ShapeName)));
}

/** A shape that has no name of its own, as in a query string: what it is once it was read. */
export function toJsonSchema(schema: z.ZodType): JsonSchema {
  const { $schema: _, ...converted } = z.toJSONSchema(schema, { ...options, io: 'output' });
  return converted;
}

function convert(io: 'input' | 'output', target: JsonSchemaDialect): Record<string, JsonSchema> {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(shapesByDirection[io])) registry.add(schema, { id });
  const { schemas } = z.toJSONSchema(registry, { ...options, io, target, uri: schemaUri });
  return Object.fromEntries(
    Object.entries(schemas).map(([name, { $id: _id, $schema: _dialect, ...schema }]) => [name, schema]),
  );
}

function schemaUri(name: string): string {
  return `#/components/schemas/${name}`;
}

const options = {
  // Custom checks say by `meta` what they look like.
  unrepresentable: 'any',
  override: ({ jsonSchema }: { jsonSchema: z.core.JSONSchema.BaseSchema }) => simplify(jsonSchema),
} as const;

function simplify(schema: z.core.JSONSchema.BaseSchema): void {
  // Both sides ignore what they do not know.
  if (schema.additionalProperties === false) delete schema.additionalProperties;
  if (schema.format === 'date-time') delete schema.pattern;
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum;
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum;
  delete schema.propertyNames;
}
