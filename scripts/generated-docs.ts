import { describeAsyncApi, describeErrors } from '@fleetlm/protocol';
import { describeApi, describeConfiguration, describeMetrics, describeOpenApi } from 'fleetlm';
import { describeAuthorization } from '../tests/authorization-table.ts';
import { describeForModels, describeIndex } from './docs-index.ts';

/** The pages that are made from the code and from the other pages, by their path below docs/. */
export function generatedDocs(): Readonly<Record<string, string>> {
  return {
    'api.md': describeApi(),
    'asyncapi.json': toText(describeAsyncApi()),
    'authorization.md': describeAuthorization(),
    'configuration.md': describeConfiguration(),
    'errors.md': describeErrors(),
    'metrics.md': describeMetrics(),
    'openapi.json': toText(describeOpenApi()),
    'README.md': describeIndex(),
    '../llms.txt': describeForModels(),
  };
}

function toText(document: object): string {
  return `${JSON.stringify(document, null, 2)}\n`;
}
