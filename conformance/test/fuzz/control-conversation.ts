import { addGroup, addParticipants, SessionClient, type TestServer } from '@fleetlm/testkit';

/** Two people on sockets of their own, who must notice nothing of what others do to the server. */
export class ControlConversation implements AsyncDisposable {
  readonly #speaker: SessionClient;
  readonly #listener: SessionClient;
  #said = 0;

  static async open(server: TestServer): Promise<ControlConversation> {
    const [speaker, listener] = ['user:control-a', 'user:control-b'] as const;
    await addParticipants(server, speaker, listener);
    const sessionId = await addGroup(server, speaker, listener);
    const clients = [];
    for (const id of [speaker, listener]) {
      const client = await SessionClient.open(server.socketUrl(id), sessionId);
      const { status } = await client.join();
      if (status !== 'ok') throw new Error(`${id} did not get in`);
      clients.push(client);
    }
    return new ControlConversation(clients[0]!, clients[1]!);
  }

  private constructor(speaker: SessionClient, listener: SessionClient) {
    this.#speaker = speaker;
    this.#listener = listener;
  }

  /** Says something: it is answered, and heard by the other, as the next message of their session. */
  async exchange(): Promise<void> {
    this.#said += 1;
    const seq = await this.#speaker.say(String(this.#said));
    const [, , , , { seq: heard, content }] = await this.#listener.socket.next();
    if (seq !== this.#said || heard !== seq || content.text !== String(seq)) {
      throw new Error(`message ${this.#said} was stored as ${seq}, and heard as ${heard}`);
    }
    // Who only listens must say now and then that it is there.
    const more = await this.#listener.socket.settle();
    if (more.length > 0) throw new Error(`heard what nobody said: ${JSON.stringify(more)}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#speaker[Symbol.asyncDispose]();
    await this.#listener[Symbol.asyncDispose]();
  }
}
