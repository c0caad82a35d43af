import { inTurns } from '../chat-server.ts';
import { Audience, type FanOutResult, type FanOutRun } from './audience.ts';
import { ChannelSocket, type Reply } from './channel-socket.ts';
import { Heartbeats } from './heartbeats.ts';
import type { Load } from './load.ts';
import { sampleText } from './sender.ts';

export interface FanOutOrder {
  /** Of the members of one session: subscribers are theirs in turn. */
  readonly urls: readonly string[];
  readonly topic: string;
  readonly subscribers: number;
}

/** Sockets that have joined one session, and the first of them sends. */
export async function openFanOut({
  urls,
  topic,
  subscribers,
}: FanOutOrder): Promise<Load<FanOutRun, FanOutResult>> {
  const audience = new Audience(subscribers);
  const sockets: ChannelSocket[] = [];
  await inTurns([...Array(subscribers).keys()], async (n) => {
    const socket = await ChannelSocket.open(urls[n % urls.length]!, {
      onFrame: (bytes) => audience.receive(n, bytes),
      onClosed: () => audience.fail('the server has closed a socket'),
    });
    await socket.join(topic);
    sockets.push(socket);
  });
  // They hear, and say nothing: without a heartbeat the server takes them for gone.
  new Heartbeats(sockets).start();
  const [sender] = sockets;
  const onReply = ({ status, response }: Reply) => {
    if (status !== 'ok') audience.fail(`a message was refused: ${JSON.stringify(response)}`);
  };
  const write = (ids: readonly string[]) => {
    for (const id of ids) sender!.push(topic, 'send', encodeSend(id), onReply);
  };
  return { run: (order) => audience.run(order, write) };
}

/** Without a client id: the reply would repeat it, and look like one more delivery. */
function encodeSend(id: string): string {
  return `{"content":{"kind":"text","content":{"text":"${sampleText}","n":"${id}"}}}`;
}
