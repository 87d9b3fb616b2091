// Channels against the real server, and what is left of them after kill -9 at random moments:
//   node channels.mjs TROUPED TROUPE [kills [seed]]
// The longer run that docs/guarantees.md speaks of: node channels.mjs TROUPED TROUPE 1000
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { rm } from "node:fs/promises";
import { Client, random_from } from "./client.mjs";
import { Server, run, until } from "./server.mjs";

const [binary, command, kills = "50", seed = `${Date.now() % 1e9}`] = process.argv.slice(2);

const is_unbroken = (posts) => posts.every((m, i) => i === 0 || m.offset === posts[i - 1].offset + 1);

async function stored_and_live() {
  const server = await Server.start(binary);
  try {
    const ann = await Client.open(server, "ann");
    const bob = await Client.open(server, "bob");
    const begun = await bob.ask({ type: "channel:subscribe", id: "s", channel: "news" });
    assert.deepEqual([begun.payload.offset, begun.payload.recovered], [0, true]);
    for (let n = 1; n <= 3000; ++n) ann.send({ type: "post", id: `p${n}`, channel: "news", payload: n });
    const late = await Client.open(server, "cy"); // while the publisher runs
    await late.ask({ type: "channel:subscribe", id: "s", channel: "news", payload: { from: "earliest" } });
    for (const reader of [bob, late]) {
      await reader.first((m) => m.payload === 3000);
      assert.equal(reader.all("post").length, 3000);
      assert.ok(is_unbroken(reader.all("post")));
    }
    const again = { type: "post", id: "once", channel: "news", qos: 2, payload: "x" };
    const answer = await ann.ask(again);
    ann.received = [];
    assert.deepEqual((await ann.ask(again)).payload, answer.payload);
    ann.received = [];
    assert.equal((await ann.ask({ ...again, payload: "y" })).payload.code, "conflict");
    const history = await ann.ask({ type: "channel:history", id: "h", channel: "news", payload: { limit: 2, reverse: true } });
    assert.deepEqual(history.payload.messages.map((m) => m.offset), [3001, 3000]);
    const other = await Client.open(server, "dan");
    const lost = { from: { epoch: "another", offset: 5 } };
    const told = await other.ask({ type: "channel:subscribe", id: "s", channel: "news", payload: lost });
    assert.equal(told.payload.recovered, false);
    assert.equal((await ann.ask({ type: "channel:unsubscribe", id: "u", channel: "news" })).payload.code, "not_a_member");
  } finally {
    await server.stop();
  }
}

/** Publishes until the server is killed, again and again: what was acknowledged is there, once, in its place. */
async function killed_at_any_moment() {
  const random = random_from(seed);
  const acknowledged = new Map();
  let number = 0;
  let server = await Server.start(binary, "--set", "channels.history_messages=100000000");
  const { data } = server;
  for (let round = 0; round < Number(kills); ++round) {
    const ann = await Client.open(server, "ann");
    ann.socket.on("message", (text) => {
      const m = JSON.parse(text.toString());
      if (m.type === "ack" && m.payload.offset) acknowledged.set(m.id, m.payload);
    });
    const enough = 1 + Math.floor(random() * 400);
    const before = acknowledged.size;
    const flood = setInterval(() => {
      for (let i = 0; i < 10; ++i, ++number)
        ann.send({ type: "post", id: `m${number}`, channel: "bank", qos: 1 + (number % 2), payload: number });
    }, 1);
    await until("some are acknowledged", () => acknowledged.size >= before + enough);
    server = await server.kill_and_restart();
    clearInterval(flood);
  }
  const reader = await Client.open(server, "cy");
  await reader.ask({ type: "channel:subscribe", id: "s", channel: "bank", payload: { from: "earliest" } });
  const end = await reader.ask({ type: "channel:history", id: "h", channel: "bank", payload: { limit: 1, reverse: true } });
  await until("all has come", () => {
    const last = reader.all("post").at(-1)?.offset ?? 0;
    reader.send({ type: "ack", payload: { channel: "bank", offset: last } });
    return last === end.payload.offset;
  }, 60_000);
  const posts = reader.all("post");
  const broken = posts.findIndex((m, i) => i > 0 && m.offset !== posts[i - 1].offset + 1);
  const around = posts.slice(Math.max(broken - 1, 0), broken + 1).map((m) => m.offset);
  assert.equal(broken, -1, `seed ${seed}: offsets ${around.join(", then ")} of ${posts.length}`);
  const places = new Map(posts.map((m) => [m.id, m]));
  assert.equal(places.size, posts.length, `seed ${seed}: something is there twice`);
  for (const [id, place] of acknowledged)
    assert.deepEqual({ epoch: places.get(id)?.epoch, offset: places.get(id)?.offset }, place, `seed ${seed}: ${id}`);
  server.process.kill("SIGTERM");
  assert.equal(await server.ended, 0);
  execFileSync(command, ["log", "verify", "--data", data]);
  await rm(data, { recursive: true });
  console.log(`${kills} kills, ${acknowledged.size} acknowledged, all there (seed ${seed})`);
}

process.exit((await run({ stored_and_live, killed_at_any_moment })) ? 1 : 0);
