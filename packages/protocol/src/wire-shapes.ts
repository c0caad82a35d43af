import type { z } from 'zod';
import {
  deliveriesReplySchema,
  deliverySchema,
  endpointBodySchema,
  endpointReplySchema,
  endpointSchema,
  endpointTestReplySchema,
  endpointTestSchema,
  turnReplySchema,
  turnSchema,
  turnsReplySchema,
} from './agent-shapes.ts';
import {
  channelHistoryReplySchema,
  emptySchema,
  errorReplySchema,
  inboxSnapshotSchema,
  inboxUpdateSchema,
  joinReplySchema,
  phoenixRefusalSchema,
  readReplySchema,
  receiptSchema,
  sendReplySchema,
  stopReplySchema,
  topicCrashSchema,
} from './channel-shapes.ts';
import {
  appendBodySchema,
  appendReplySchema,
  directSessionBodySchema,
  groupSessionBodySchema,
  historyReplySchema,
  inboxReplySchema,
  memberBodySchema,
  membersReplySchema,
  participantBodySchema,
  participantReplySchema,
  participantsReplySchema,
  problemSchema,
  readBodySchema,
  sessionBodySchema,
  sessionChangeBodySchema,
  sessionReplySchema,
  sessionsReplySchema,
  stopBodySchema,
  streamsReplySchema,
  streamWriteReplySchema,
} from './rest-shapes.ts';
import {
  chunkSchema,
  draftSchema,
  historyPayloadSchema,
  inboxConversationSchema,
  joinPayloadSchema,
  listedStreamSchema,
  memberSchema,
  messageIdSchema,
  messageSchema,
  participantIdSchema,
  participantSchema,
  readPayloadSchema,
  runningStreamSchema,
  sendPayloadSchema,
  sessionIdSchema,
  sessionSchema,
  stopPayloadSchema,
  streamChunkSchema,
  streamIdSchema,
  turnIdSchema,
} from './shapes.ts';

/** The same in what clients send and in what they are sent. */
const idShapes = {
  ParticipantId: participantIdSchema,
  SessionId: sessionIdSchema,
  MessageId: messageIdSchema,
  TurnId: turnIdSchema,
  StreamId: streamIdSchema,
};

/** What clients send: bodies of REST, payloads of channels. */
const requestShapes = {
  ParticipantBody: participantBodySchema,
  SessionBody: sessionBodySchema,
  DirectSessionBody: directSessionBodySchema,
  GroupSessionBody: groupSessionBodySchema,
  SessionChangeBody: sessionChangeBodySchema,
  MemberBody: memberBodySchema,
  AppendBody: appendBodySchema,
  ReadBody: readBodySchema,
  EndpointBody: endpointBodySchema,
  StopBody: stopBodySchema,
  Draft: draftSchema,
  JoinPayload: joinPayloadSchema,
  SendPayload: sendPayloadSchema,
  ReadPayload: readPayloadSchema,
  HistoryPayload: historyPayloadSchema,
  StopPayload: stopPayloadSchema,
};

/** What clients are sent. They must tolerate fields that are not named here. */
const replyShapes = {
  Participant: participantSchema,
  Session: sessionSchema,
  Member: memberSchema,
  Message: messageSchema,
  InboxConversation: inboxConversationSchema,
  Endpoint: endpointSchema,
  EndpointTest: endpointTestSchema,
  Turn: turnSchema,
  Delivery: deliverySchema,
  ParticipantReply: participantReplySchema,
  ParticipantsReply: participantsReplySchema,
  SessionReply: sessionReplySchema,
  SessionsReply: sessionsReplySchema,
  MembersReply: membersReplySchema,
  AppendReply: appendReplySchema,
  HistoryReply: historyReplySchema,
  InboxReply: inboxReplySchema,
  EndpointReply: endpointReplySchema,
  EndpointTestReply: endpointTestReplySchema,
  TurnReply: turnReplySchema,
  TurnsReply: turnsReplySchema,
  DeliveriesReply: deliveriesReplySchema,
  StreamsReply: streamsReplySchema,
  StreamWriteReply: streamWriteReplySchema,
  Problem: problemSchema,
  JoinReply: joinReplySchema,
  SendReply: sendReplySchema,
  ReadReply: readReplySchema,
  StopReply: stopReplySchema,
  ChannelHistoryReply: channelHistoryReplySchema,
  Receipt: receiptSchema,
  ListedStream: listedStreamSchema,
  RunningStream: runningStreamSchema,
  StreamChunk: streamChunkSchema,
  Chunk: chunkSchema,
  InboxSnapshot: inboxSnapshotSchema,
  InboxUpdate: inboxUpdateSchema,
  Empty: emptySchema,
  ErrorReply: errorReplySchema,
  PhoenixRefusal: phoenixRefusalSchema,
  TopicCrash: topicCrashSchema,
};

/** The name of a wire shape, the same in OpenAPI, AsyncAPI and `wire.json`. */
export type ShapeName = keyof typeof idShapes | keyof typeof requestShapes | keyof typeof replyShapes;

type Named = Readonly<Record<string, z.ZodType>>;

export const shapesByDirection: { readonly input: Named; readonly output: Named } = {
  input: { ...idShapes, ...requestShapes },
  output: { ...idShapes, ...replyShapes },
};

/** The name of a shape, by which documents refer to it. Throws for one that has none. */
export function shapeName(schema: z.ZodType): ShapeName {
  const { input, output } = shapesByDirection;
  const found = [...Object.entries(input), ...Object.entries(output)].find(([, each]) => each === schema);
  if (!found) throw new Error('a shape of the wire has no name: add it to wire-shapes.ts');
  return found[0] as ShapeName;
}
