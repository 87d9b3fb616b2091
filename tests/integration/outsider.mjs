// The server as a client sees it that Troupe did not write, npm's ws: node outsider.mjs TROUPED
import assert from "node:assert/strict";
import WebSocket from "ws";
import { Server, run } from "./server.mjs";

const [binary] = process.argv.slice(2);
const ANSWER_MS_MAX = 10_000;

/** A connection whose messages are waited for one by one. */
class Peer {
  #queue = [];
  #waiting = [];

  constructor(url, protocols = ["troupe.v1.json"], options = {}) {
    this.socket = new WebSocket(url, protocols, options);
    this.opened = new Promise((resolve, reject) => this.socket.once("open", resolve).once("error", reject));
    this.closed = new Promise((resolve) => this.socket.once("close", (code, reason) => resolve({ code, reason: `${reason}` })));
    this.socket.on("error", () => {});
    this.socket.on("message", (data, binary) => {
      const message = binary ? data : JSON.parse(data.toString());
      this.#waiting.length ? this.#waiting.shift()(message) : this.#queue.push(message);
    });
  }

  static async open(...args) {
    const peer = new Peer(...args);
    await peer.opened;
    peer.hello = await peer.next();
    return peer;
  }

  next() {
    if (this.#queue.length) return Promise.resolve(this.#queue.shift());
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no message within ${ANSWER_MS_MAX} ms`)), ANSWER_MS_MAX);
      this.#waiting.push((message) => (clearTimeout(timer), resolve(message)));
    });
  }

  /** The next message of this type; others before it are dropped. */
  async next_of(type) {
    for (;;) {
      const message = await this.next();
      if (message.type === type) return message;
    }
  }

  send(message) {
    this.socket.send(JSON.stringify(message));
  }

  async ask(message) {
    this.send(message);
    for (;;) {
      const answer = await this.next();
      if (answer.id === message.id && answer.type !== "chat:message") return answer;
    }
  }

  end() {
    this.socket.close(1000);
    return this.closed;
  }
}

async function upgrade_status(url, options) {
  const socket = new WebSocket(url, ["troupe.v1.json"], options);
  return new Promise((resolve, reject) => {
    socket.once("unexpected-response", (_, response) => (resolve(response.statusCode), socket.terminate()));
    socket.once("open", () => (socket.close(), resolve(101)));
    socket.on("error", reject);
  });
}

const server = await Server.start(binary);
const deflating = await Server.start(binary, "--set", "websocket.compression=true");

/** ann and bob, members of a room of their own. */
let rooms = 0;
async function pair(at = server) {
  const room = `outsider-${++rooms}`;
  const ann = await Peer.open(`${at.ws}?user=ann`);
  const bob = await Peer.open(`${at.ws}?user=bob`);
  assert.equal((await ann.ask({ type: "room:join", id: "j", room })).type, "ack");
  assert.equal((await bob.ask({ type: "room:join", id: "j", room })).payload.members, 2);
  assert.equal((await ann.next_of("room:joined")).from.user, "bob");
  return { ann, bob, room };
}

const cases = {
  "hello names the connection, the user and the limits": async () => {
    const peer = await Peer.open(`${server.ws}?user=ann`);
    const { type, payload } = peer.hello;
    assert.equal(type, "hello");
    assert.equal(payload.user, "ann");
    assert.equal(payload.protocol, "troupe.v1");
    assert.equal(payload.heartbeat_ms, 25000);
    assert.equal(payload.max_message_bytes, 65536);
    assert(payload.connection && payload.session && payload.node);
    assert.equal((await peer.end()).code, 1000);
  },
  "subprotocols: none, json, msgpack, and one that nobody speaks": async () => {
    for (const [asked, given] of [[[], ""], [["troupe.v1.json"], "troupe.v1.json"],
      [["troupe.v1.msgpack"], "troupe.v1.msgpack"], [["other", "troupe.v1.json"], "troupe.v1.json"]]) {
      const peer = await Peer.open(server.ws, asked);
      assert.equal(peer.socket.protocol, given);
      await peer.end();
    }
  },
  "msgpack: hello comes in a binary frame as a map": async () => {
    const peer = await Peer.open(server.ws, ["troupe.v1.msgpack"]);
    assert(Buffer.isBuffer(peer.hello));
    assert.equal(peer.hello[0] & 0xf0, 0x80);
    assert(peer.hello.includes("hello") && peer.hello.includes("connection"));
    // {"type": "ping", "id": "p"}
    peer.socket.send(Buffer.from([0x82, 0xa4, ...Buffer.from("type"), 0xa4, ...Buffer.from("ping"), 0xa2, ...Buffer.from("id"), 0xa1, 0x70]));
    assert((await peer.next()).includes("pong"));
    await peer.end();
  },
  "a payload arrives byte for byte": async () => {
    const { ann, bob, room } = await pair();
    const payload = '{ "n" : 1e400, "big":123456789012345678901234567890.10, "s":"\\u00e9\\/é\\ud83c\\udfad", "a" :[ ] }';
    const raw = new Promise((resolve) => bob.socket.once("message", (data) => resolve(data.toString())));
    ann.socket.send(`{"type":"chat:message","id":"x","room":"${room}","payload":${payload}}`);
    assert((await raw).includes(payload));
    assert((await ann.next_of("ack")).payload.seq > 0);
    await Promise.all([ann.end(), bob.end()]);
  },
  "msgpack and json members read the same message": async () => {
    const { ann, bob, room } = await pair();
    const packed = await Peer.open(server.ws, ["troupe.v1.msgpack"]);
    packed.send({ type: "room:join", id: "j", room });
    assert((await packed.next()).includes("ack"));
    ann.send({ type: "chat:message", room, payload: { body: "to both" } });
    assert((await packed.next()).includes("to both"));
    assert.equal((await bob.next_of("chat:message")).payload.body, "to both");
    await Promise.all([ann.end(), bob.end(), packed.end()]);
  },
  "a message in many fragments with pings between them": async () => {
    const { ann, bob, room } = await pair();
    const text = JSON.stringify({ type: "chat:message", id: "f", room, payload: { body: "in pieces" } });
    const pong = new Promise((resolve) => ann.socket.once("pong", (data) => resolve(data.toString())));
    for (let at = 0; at < text.length; at += 10) {
      ann.socket.send(text.slice(at, at + 10), { fin: at + 10 >= text.length, binary: false });
      if (at === 20) ann.socket.ping("between");
    }
    assert.equal(await pong, "between");
    assert.equal((await bob.next_of("chat:message")).payload.body, "in pieces");
    await Promise.all([ann.end(), bob.end()]);
  },
  "ping of the protocol answers with id and payload": async () => {
    const peer = await Peer.open(server.ws);
    const answer = await peer.ask({ type: "ping", id: "1", payload: { t: 7 } });
    assert.equal(answer.type, "pong");
    assert.deepEqual(answer.payload, { t: 7 });
    await peer.end();
  },
  "permessage-deflate: off unless configured, agreed on where it is": async () => {
    const plain = await Peer.open(server.ws, undefined, { perMessageDeflate: true });
    assert.equal(plain.socket.extensions, "");
    await plain.end();
    const peer = await Peer.open(deflating.ws, undefined, { perMessageDeflate: { threshold: 0 } });
    assert.match(peer.socket.extensions, /permessage-deflate/);
    const payload = { body: "again and ".repeat(400) };
    assert.deepEqual((await peer.ask({ type: "ping", id: "z", payload })).payload, payload);
    // A message of 16 MiB in a few KiB: refused by its inflated size.
    peer.socket.send(JSON.stringify({ type: "ping", payload: "a".repeat(16 * 1024 * 1024) }));
    assert.equal((await peer.closed).code, 1009);
  },
  "compressed and plain members share a room": async () => {
    const { ann, bob, room } = await pair(deflating);
    const plain = await Peer.open(deflating.ws, undefined, { perMessageDeflate: false });
    assert.equal((await plain.ask({ type: "room:join", id: "j", room })).payload.members, 3);
    const body = "the same text ".repeat(100);
    ann.send({ type: "chat:message", room, payload: { body } });
    for (const peer of [bob, plain]) assert.equal((await peer.next_of("chat:message")).payload.body, body);
    await Promise.all([ann.end(), bob.end(), plain.end()]);
  },
  "close codes: too large, not UTF-8, too many bad messages": async () => {
    const large = await Peer.open(server.ws);
    large.socket.send("x".repeat(70_000));
    assert.equal((await large.closed).code, 1009);
    const garbled = await Peer.open(server.ws);
    garbled.socket.send(Buffer.from([0x22, 0xff, 0xfe, 0x22]), { binary: false });
    assert.equal((await garbled.closed).code, 1007);
    const rude = await Peer.open(server.ws);
    for (let i = 0; i < 11; i++) rude.socket.send("{no json");
    assert.equal((await rude.next()).payload.code, "bad_message");
    assert.equal((await rude.closed).code, 3503);
  },
  "the errors of the protocol": async () => {
    const peer = await Peer.open(server.ws);
    const code_of = async (message) => (await peer.ask({ id: "e", ...message })).payload.code;
    assert.equal(await code_of({ type: "a", room: "nobody-joined" }), "not_a_member");
    assert.equal(await code_of({ type: "a" }), "no_handler");
    assert.equal(await code_of({ type: "room:joined", room: "r" }), "forbidden");
    assert.equal(await code_of({ type: "a", to: { connection: "nobody" } }), "unknown_target");
    assert.equal(await code_of({ type: "a", room: "r", channel: "c" }), "bad_message");
    await peer.end();
  },
  "to a user reaches every connection of the user but the sender": async () => {
    const tabs = [await Peer.open(`${server.ws}?user=tia`), await Peer.open(`${server.ws}?user=tia`)];
    const peer = await Peer.open(`${server.ws}?user=bob`);
    const answer = await peer.ask({ type: "note", id: "n", to: { user: "tia" }, payload: 1 });
    assert.equal(answer.payload.connections, 2);
    for (const tab of tabs) assert.equal((await tab.next_of("note")).from.user, "bob");
    assert.equal((await tabs[0].ask({ type: "note", id: "n", to: { user: "tia" } })).payload.connections, 1);
    await Promise.all([...tabs, peer].map((one) => one.end()));
  },
  "signaling passes the description untouched": async () => {
    const { ann, bob } = await pair();
    ann.send({ type: "signal:offer", to: { connection: bob.hello.payload.connection }, payload: { sdp: "v=0\r\n" } });
    const offer = await bob.next_of("signal:offer");
    assert.equal(offer.payload.sdp, "v=0\r\n");
    assert.equal(offer.from.connection, ann.hello.payload.connection);
    await Promise.all([ann.end(), bob.end()]);
  },
  "a session resumes after an abrupt end with what was missed": async () => {
    const { ann, bob, room } = await pair();
    const first = await ann.ask({ type: "chat:message", id: "1", room });
    await bob.next_of("chat:message");
    bob.socket.terminate();
    await bob.closed;
    await ann.ask({ type: "chat:message", id: "2", room, payload: "missed" });
    const back = await Peer.open(`${server.ws}?user=bob`);
    const { session, connection } = bob.hello.payload;
    const answer = await back.ask({ type: "session:resume", id: "r",
      payload: { session, rooms: { [room]: { epoch: first.payload.epoch, seq: first.payload.seq } } } });
    assert.equal(answer.payload.resumed, true);
    assert.equal(answer.payload.connection, connection);
    assert.equal(answer.payload.rooms[room].recovered, true);
    assert.notEqual(answer.payload.session, session);
    assert.equal((await back.next_of("chat:message")).payload, "missed");
    await Promise.all([ann.end(), back.end()]);
  },
  "an origin from elsewhere and a wrong path are refused at the door": async () => {
    assert.equal(await upgrade_status(server.ws, { origin: "http://elsewhere.example" }), 403);
    assert.equal(await upgrade_status(server.ws, { origin: server.http }), 101);
    assert.equal(await upgrade_status(`${server.http.replace("http", "ws")}/nowhere`, {}), 404);
  },
  "stopping the server tells its clients to come back": async () => {
    const peer = await Peer.open(deflating.ws);
    const stopped = deflating.stop();
    assert.equal((await peer.closed).code, 1001);
    assert.equal(await stopped, 0);
  },
};

const failed = await run(cases, () => server.output + deflating.output);
const statuses = [await server.stop(), await deflating.stop()];
if (statuses.some((status) => status !== 0)) console.log(`FAILED: trouped ended with ${statuses}`);
process.exit(failed || statuses.some((status) => status !== 0) ? 1 : 0);
