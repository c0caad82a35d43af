import { anyEventErrors, type ChannelContract, channelContracts } from './channel-contract.ts';
import { closeCodes } from './close-codes.ts';
import type { ErrorCode } from './errors.ts';
import { type JsonSchema, schemasUsedBy, shapeRef } from './json-schema.ts';
import { shapeName } from './wire-shapes.ts';

/** `docs/asyncapi.json`: the channels as AsyncAPI 3.0. A message is a whole frame of serializer V2. */
export function describeAsyncApi(): JsonSchema {
  const contracts: [string, ChannelContract][] = Object.entries(channelContracts);
  const channels = Object.fromEntries(contracts.map(([name, contract]) => [name, describeChannel(contract)]));
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'FleetLM channels',
      version: '1',
      description,
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    defaultContentType: 'application/json',
    servers: {
      local: {
        host: '127.0.0.1:4000',
        protocol: 'ws',
        pathname: '/socket/websocket',
        description: 'A server with its defaults. The query says `vsn=2.0.0`.',
        security: [{ $ref: '#/components/securitySchemes/token' }],
      },
    },
    channels,
    operations: Object.assign({}, ...contracts.map(([name, contract]) => describeOperations(name, contract))),
    components: {
      schemas: schemasUsedBy(channels, 'draft-7'),
      securitySchemes: {
        token: {
          type: 'httpApiKey',
          name: 'token',
          in: 'query',
          description: 'A JWT; better by the subprotocol of `authToken`, or as `Authorization: Bearer`',
        },
      },
    },
  };
}

/** The name of a client event's answer among the messages of its channel. */
function replyName(event: string): string {
  return `${event}_ok`;
}

function describeChannel({ address, parameter, summary, clientEvents, serverEvents }: ChannelContract) {
  const asked = Object.entries(clientEvents).flatMap(([event, { summary: what, payload, reply, errors }]) => [
    [event, describeMessage(event, what, clientFrame(event, shapeRef(shapeName(payload))))],
    [replyName(event), describeMessage('phx_reply', `The answer to ${event}`, okFrame(shapeName(reply)))],
    [`${event}_error`, describeMessage('phx_reply', errorSummary(event, errors), errorFrame)],
  ]);
  const told = Object.entries(serverEvents).map(([event, { summary: what, payload }]) => [
    `on_${event}`,
    describeMessage(event, what, serverFrame(event, shapeRef(shapeName(payload)))),
  ]);
  return {
    address,
    summary,
    messages: Object.fromEntries([...asked, ...told]),
    ...(parameter && { parameters: { [parameter]: { description: 'The id behind the colon' } } }),
  };
}

function describeOperations(channel: string, { clientEvents, serverEvents }: ChannelContract): JsonSchema {
  const reference = { $ref: `#/channels/${channel}` };
  const message = (name: string) => ({ $ref: `#/channels/${channel}/messages/${name}` });
  const asked = Object.entries(clientEvents).map(([event, { summary }]) => [
    `${channel}_${event}`,
    {
      action: 'receive',
      summary,
      channel: reference,
      messages: [message(event)],
      reply: { channel: reference, messages: [message(replyName(event)), message(`${event}_error`)] },
    },
  ]);
  const told = Object.entries(serverEvents).map(([event, { summary }]) => [
    `${channel}_on_${event}`,
    { action: 'send', summary, channel: reference, messages: [message(`on_${event}`)] },
  ]);
  return Object.fromEntries([...asked, ...told]);
}

function describeMessage(name: string, summary: string, payload: JsonSchema): JsonSchema {
  return { name, summary, payload };
}

function errorSummary(event: string, errors: readonly ErrorCode[]): string {
  return `${event} was refused: ${[...errors, ...anyEventErrors].join(', ')}`;
}

const ref: JsonSchema = { type: ['string', 'number', 'boolean', 'null'] };
const topic: JsonSchema = { type: 'string' };

function clientFrame(event: string, payload: JsonSchema): JsonSchema {
  // More elements are ignored.
  return { type: 'array', items: [ref, ref, topic, { const: event }, payload], minItems: 5 };
}

/** `phx_close` and `phx_error` carry the ref of their join; everything else carries none. */
function serverFrame(event: string, payload: JsonSchema): JsonSchema {
  const eventRef = event.startsWith('phx_') ? ref : { type: 'null' };
  const items = [ref, eventRef, topic, { const: event }, payload];
  return { type: 'array', items, minItems: 5, maxItems: 5 };
}

function replyFrame(status: 'ok' | 'error', response: JsonSchema): JsonSchema {
  const payload = {
    type: 'object',
    properties: { status: { const: status }, response },
    required: ['status', 'response'],
  };
  return { type: 'array', items: [ref, ref, ref, { const: 'phx_reply' }, payload], minItems: 5, maxItems: 5 };
}

function okFrame(name: Parameters<typeof shapeRef>[0]): JsonSchema {
  return replyFrame('ok', shapeRef(name));
}

const errorFrame = replyFrame('error', { anyOf: [shapeRef('ErrorReply'), shapeRef('PhoenixRefusal')] });

const closeRows = Object.entries(closeCodes)
  .map(([code, { meaning, comeBack }]) => `- ${code}: ${meaning}. Come back: ${comeBack}.`)
  .join('\n');

const description = `Phoenix Channels over WebSocket. A message here is a whole text frame of serializer V2
(\`vsn=2.0.0\`): \`[join_ref, ref, topic, event, payload]\`. V1 has the same payloads in objects
\`{topic, event, payload, ref}\`. Every client event is answered by one \`phx_reply\`. Clients must tolerate fields,
events and error codes that they do not know. In payloads of clients, null counts as absent.

The codes with which the server closes a socket:

${closeRows}
`;
