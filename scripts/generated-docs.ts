import { describeAsyncApi, describeErrors } from '@fleetlm/protocol';
import { describeApi, describeConfiguration, describeOpenApi } from 'fleetlm';
import { describeAuthorization } from '../tests/authorization-table.ts';

/** The pages of docs/ that are made from the code, by name. */
export function generatedDocs(): Readonly<Record<string, string>> {
  return {
    'api.md': describeApi(),
    'asyncapi.json': toText(describeAsyncApi()),
    'authorization.md': describeAuthorization(),
    'configuration.md': describeConfiguration(),
    'errors.md': describeErrors(),
    'openapi.json': toText(describeOpenApi()),
  };
}

function toText(document: object): string {
  return `${JSON.stringify(document, null, 2)}\n`;
}
