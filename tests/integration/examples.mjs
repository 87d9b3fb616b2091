// The example programs as processes, seen by npm's ws: node examples.mjs CHAT COUNTER TURNS TICKER
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import WebSocket from "ws";
import { free_port, run, until } from "./server.mjs";

const [chat, counter, turns, ticker] = process.argv.slice(2);
const WAIT_MS_MAX = 30_000;
let output = "";

/** A program under test; `ended` gives its exit status. */
function start(binary, ...args) {
  const child = spawn(binary, args);
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => ((text += data), (output += data)));
  const ended = new Promise((resolve) => child.once("exit", (code, signal) => resolve(code ?? signal)));
  return { child, ended, text: () => text };
}

/** A client with everything that it has received. */
async function connect(port, path = "/realtime") {
  const client = await until("the program listens", () => new Promise((resolve) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, ["troupe.v1.json"]);
    socket.received = [];
    socket.on("message", (data) => socket.received.push({ ...JSON.parse(data.toString()), text: data.toString() }));
    socket.once("close", (code) => (socket.close_code = code));
    socket.once("open", () => resolve(socket)).once("error", () => resolve(null));
  }), WAIT_MS_MAX);
  client.say = (message) => client.send(JSON.stringify(message));
  client.hears = (what, fits) => until(what, () => client.received.find(fits), WAIT_MS_MAX);
  client.hello = await client.hears("hello", (m) => m.type === "hello");
  return client;
}

/** Serves with a program, lets `body` at it, and ends it by a signal, which must drain it. */
async function serve(binary, signal, body) {
  const port = await free_port();
  const program = start(binary, `127.0.0.1:${port}`);
  try {
    const clients = await body(port);
    program.child.kill(signal);
    assert.equal(await program.ended, 0, "drained by a signal it ends with 0");
    for (const client of clients) {
      assert.equal(await until("the client is told", () => client.close_code), 1001);
    }
  } finally {
    program.child.kill("SIGKILL");
  }
}

const failed = await run({
  "chat: what one says, the others of the room hear": () => serve(chat, "SIGTERM", async (port) => {
    const [ann, bob, eve] = [await connect(port), await connect(port), await connect(port)];
    bob.say({ type: "chat:message", id: "1", room: "attic", payload: "I am here" });
    await bob.hears("the ack", (m) => m.type === "ack" && m.id === "1");
    eve.say({ type: "chat:message", id: "1", payload: "anybody in the lobby?" });
    await eve.hears("the ack", (m) => m.type === "ack");
    ann.send('{"type":"chat:message","id":"2","room":"attic","payload":{"text":"curtain up","at":1e400}}');
    const heard = await bob.hears("ann's message", (m) => m.type === "chat:message");
    assert.equal(heard.payload.from, ann.hello.payload.connection);
    assert(heard.text.includes('"body":{"text":"curtain up","at":1e400}'), heard.text);
    assert.equal(heard.room, "attic");
    await ann.hears("the ack", (m) => m.type === "ack" && m.id === "2");
    for (const other of [ann, eve]) assert(!other.received.some((m) => m.type === "chat:message"));
    // The bridge: a signal to a room makes its sender a member.
    eve.say({ type: "signal:offer", room: "attic", payload: { sdp: "v=0" } });
    assert.deepEqual((await bob.hears("the offer", (m) => m.type === "signal:offer")).payload, { sdp: "v=0" });
    return [ann, bob, eve];
  }),

  "counter: all count together, who comes later is told, and another room counts for itself": () =>
    serve(counter, "SIGTERM", async (port) => {
      const [ann, bob] = [await connect(port), await connect(port)];
      const join = (who, room) => who.say({ type: "room:join", id: room, room });
      const told = (who, room, count) => who.hears(`${count} in ${room}`,
        (m) => m.type === "counter:now" && m.room === room && m.payload.count === count);
      join(ann, "counter:1");
      await told(ann, "counter:1", 0);
      ann.say({ type: "counter:add", id: "a", room: "counter:1" });
      await told(ann, "counter:1", 1);
      join(bob, "counter:1");
      await told(bob, "counter:1", 1);
      bob.say({ type: "counter:add", id: "b", room: "counter:1" });
      await told(ann, "counter:1", 2);
      bob.say({ type: "counter:less", id: "no", room: "counter:1" });
      assert.equal((await bob.hears("the refusal", (m) => m.id === "no")).payload.code, "bad_message");
      join(bob, "counter:2");
      await told(bob, "counter:2", 0);
      return [ann, bob];
    }),

  "turns: two play a whole game, the third watches": () => serve(turns, "SIGINT", async (port) => {
    const clients = [await connect(port), await connect(port), await connect(port)];
    for (const client of clients) {
      client.say({ type: "room:join", id: "join", room: "game:1" });
      await client.hears("the ack", (m) => m.type === "ack" && m.id === "join");
    }
    const watcher = clients[2];
    watcher.say({ type: "game:move", id: "no", room: "game:1", payload: { cell: 0, turn: 1 } });
    assert.equal((await watcher.hears("the refusal", (m) => m.id === "no")).payload.code, "forbidden");
    for (const cell of [0, 3, 1, 4, 2]) {
      const { turn, next } = watcher.received.findLast((m) => m.type === "game:state").payload;
      clients["XO".indexOf(next)].say({ type: "game:move", room: "game:1", payload: { cell, turn } });
      await watcher.hears("the next turn", (m) => m.type === "game:state" && m.payload.turn > turn);
    }
    const { phase, winner, board } = watcher.received.findLast((m) => m.type === "game:state").payload;
    assert.equal(phase, "over");
    assert.equal(board, winner === "X" ? "XXXOO...." : "OOOXX....");
    return clients;
  }),

  "chat: a port in use is one clear line": async () => serve(chat, "SIGTERM", async (port) => {
    const client = await connect(port);
    const second = start(chat, `127.0.0.1:${port}`);
    assert.equal(await second.ended, 1);
    assert.match(second.text(), /^chat: .*in use/m);
    return [client];
  }),

  "ticker: 10,000 members miss no tick": async () => {
    const program = start(ticker, "--seconds", "2");
    assert.equal(await program.ended, 0, program.text());
    const [, members, deliveries] = program.text().match(/(\d+) members, .* (\d+) deliveries, \d+ per second/);
    assert.equal(Number(members), 10_000);
    assert(Number(deliveries) >= 10_000 && Number(deliveries) % 10_000 === 0, program.text());
    console.log(`      ${program.text().trim()}`);
  },

  "ticker: a signal ends it early, a wrong call at once": async () => {
    const program = start(ticker, "--members", "10", "--seconds", "600");
    await until("the members are in", () => /members are in/.test(program.text()), WAIT_MS_MAX);
    program.child.kill("SIGTERM");
    assert.equal(await program.ended, 1);
    assert.match(program.text(), /interrupted/);
    assert.equal(await start(ticker, "--members", "none").ended, 2);
  },
}, () => output);
process.exit(failed ? 1 : 0);
