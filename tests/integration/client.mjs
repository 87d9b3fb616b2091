// What channels.mjs and inboxes.mjs share: a client that is a user, and what chance a seed gives.
import WebSocket from "ws";
import { until } from "./server.mjs";

/** A client that keeps everything it was sent. */
export class Client {
  received = [];

  static async open(server, user) {
    const client = new Client();
    client.socket = new WebSocket(`${server.ws}?user=${user}`, ["troupe.v1.json"]);
    client.socket.on("error", () => {});
    client.socket.on("message", (data) => client.received.push(JSON.parse(data.toString())));
    await client.first((m) => m.type === "hello");
    return client;
  }

  send(message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  first(matches) {
    return until(`${matches}`, () => this.received.find(matches));
  }

  /** Everything of a type that has come so far. */
  all(type) {
    return this.received.filter((m) => m.type === type);
  }

  /** Sends, and waits for the server's answer: unlike a message of another client, it has no sender. */
  async ask(message) {
    this.send(message);
    return this.first((m) => m.id === message.id && !m.from);
  }
}

/** Numbers from 0 to 1 that the seed decides (Park and Miller, 1988). */
export function random_from(seed) {
  let state = (Number(seed) % 2147483646) + 1;
  return () => (state = (state * 48271) % 2147483647) / 2147483647;
}
