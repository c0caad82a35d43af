import { Audience, type FanOutResult, type FanOutRun } from './audience.ts';
import { ChannelSocket, type Reply } from './channel-socket.ts';
import { gather } from './gather.ts';
import type { Load } from './load.ts';
import type { Member } from './member.ts';
import { sampleText } from './sample-text.ts';

export interface FanOutOrder {
  /** Of one session: subscribers are theirs in turn. */
  readonly members: readonly Member[];
  readonly subscribers: number;
}

/** Sockets that have joined one session, and the first of them sends. */
export async function openFanOut({
  members,
  subscribers,
}: FanOutOrder): Promise<Load<FanOutRun, FanOutResult>> {
  const audience = new Audience(subscribers);
  const sockets = await gather(subscribers, async (n) => {
    const { url, topic } = members[n % members.length]!;
    const socket = await ChannelSocket.open(url, {
      onFrame: (bytes) => audience.receive(n, bytes),
      onClosed: () => audience.fail('the server has closed a socket'),
    });
    await socket.join(topic);
    return socket;
  });
  const onReply = ({ status, response }: Reply) => {
    if (status !== 'ok') audience.fail(`a message was refused: ${JSON.stringify(response)}`);
  };
  const send = (id: string) => sockets[0]!.push(members[0]!.topic, 'send', encodeSend(id), onReply);
  return { run: (order) => audience.run(order, send) };
}

/** Without a client id: the reply would repeat it, and look like one more delivery. */
function encodeSend(id: string): string {
  return `{"content":{"kind":"text","content":{"text":"${sampleText}","n":"${id}"}}}`;
}
