// Offline queues against the real server: a user who is away, kill -9, and what is there when the user comes back.
//   node inboxes.mjs TROUPED TROUPE [kills [seed]]
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { Client, random_from } from "./client.mjs";
import { Server, run, until } from "./server.mjs";

const [binary, command, kills = "5", seed = `${Date.now() % 1e9}`] = process.argv.slice(2);

const note = (n, more) => ({ type: "note", to: { user: "bob" }, offline: "queue", qos: 1, id: `n${n}`, payload: n, ...more });
const numbers = (first, last) => Array.from({ length: last - first + 1 }, (_, i) => first + i);

/** Everything that had waited has come: the payload of its end. */
const flushed = async (client) => (await client.first((m) => m.type === "offline.queue.flushed")).payload;

/** Says that everything up to `offset` has come, and waits until the server has read it. */
async function acknowledge(client, offset) {
  client.send({ type: "ack", payload: { inbox: offset } });
  await client.ask({ type: "ping", id: `after-${offset}` });
}

async function queued_killed_returned() {
  let server = await Server.start(binary);
  try {
    const ann = await Client.open(server, "ann");
    for (const n of numbers(1, 50)) assert.deepEqual((await ann.ask(note(n))).payload, { connections: 0 });
    server = await server.kill_and_restart();
    let bob = await Client.open(server, "bob");
    assert.deepEqual(await flushed(bob), { delivered: 50, dropped: 0 });
    assert.deepEqual(bob.all("note").map((m) => m.payload), numbers(1, 50));
    assert.deepEqual(bob.all("note").map((m) => m.offset), numbers(1, 50));
    await acknowledge(bob, 20);
    bob.socket.close(1000);
    bob = await Client.open(server, "bob");
    await until("the rest comes again", () => bob.all("note").length === 30);
    assert.deepEqual(bob.all("note").map((m) => m.payload), numbers(21, 50));
    await acknowledge(bob, 50);
    const written = () => {
      const log = execFileSync(command, ["log", "cat", "--data", server.data, "--kind", "inbox.acked"], { encoding: "utf8" });
      return log.split("\n").some((line) => line !== "" && JSON.parse(line).offset === 50);
    };
    await until("the acknowledgement is written", written);
    bob.socket.close(1000);
    server.process.kill("SIGTERM"); // what is acknowledged stays so
    assert.equal(await server.ended, 0);
    server = await server.kill_and_restart();
    bob = await Client.open(server, "bob");
    const cy = await Client.open(server, "cy");
    await cy.ask(note(51));
    await until("the new one comes", () => bob.all("note").length > 0);
    assert.deepEqual(bob.all("note").map((m) => [m.payload, m.offset]), [[51, 51]]);
    const records = execFileSync(command, ["log", "cat", "--data", server.data, "--format", "jsonl"]).toString();
    const kinds = records.trim().split("\n").map((line) => JSON.parse(line)).filter((r) => r.kind === "inbox.queued");
    assert.equal(kinds.length, 51);
    assert.ok(kinds.every((r) => r.target === "bob"));
  } finally {
    await server.stop();
  }
}

async function bounded_by_number_and_time() {
  const server = await Server.start(binary, "--set", "offline.queue_ttl=60s");
  try {
    const ann = await Client.open(server, "ann");
    for (const n of numbers(1, 1004)) ann.send(note(n, { qos: n % 2 }));
    await ann.first((m) => m.id === "n1004");
    let bob = await Client.open(server, "bob");
    assert.deepEqual(await flushed(bob), { delivered: 1000, dropped: 4 });
    const [gap] = bob.all("gap");
    assert.deepEqual([gap.payload.reason, gap.payload.count], ["offline_limit", 4]);
    assert.ok(bob.received.indexOf(gap) < bob.received.findIndex((m) => m.type === "note"));
    assert.deepEqual(bob.all("note").map((m) => m.payload), numbers(5, 1004));
    await acknowledge(bob, 502);
    bob.socket.close(1000);
    await until("bob is away", async () => (await ann.ask(note(2000, { id: `p${Math.random()}`, qos: 0, offline: "drop" }))).payload.connections === 0);
    await ann.ask(note(2001, { ttl_ms: 30 }));
    await until("it is too old", async () => (await server.metric("troupe_inbox_dropped_total")) >= 5);
    await ann.ask(note(2002));
    bob = await Client.open(server, "bob");
    assert.deepEqual(await flushed(bob), { delivered: 1, dropped: 1 });
    assert.deepEqual(bob.all("note").map((m) => m.payload), [2002]);
    assert.equal(bob.all("gap")[0].payload.reason, "offline_ttl");
  } finally {
    await server.stop();
  }
}

/** Sends until the server is killed, again and again: what was acknowledged to the sender waits, in its place. */
async function killed_at_any_moment() {
  const random = random_from(seed);
  const accepted = [];
  let number = 0;
  let server = await Server.start(binary, "--set", "offline.queue_messages=100000");
  try {
    for (let round = 0; round < Number(kills); ++round) {
      const ann = await Client.open(server, "ann");
      ann.socket.on("message", (data) => {
        const m = JSON.parse(data.toString());
        if (m.type === "ack" && m.id?.startsWith("n")) accepted.push(Number(m.id.slice(1)));
      });
      const enough = accepted.length + 1 + Math.floor(random() * 300);
      const flood = setInterval(() => {
        for (let i = 0; i < 10; ++i) ann.send(note(++number, { qos: 1 + (number % 2) }));
      }, 1);
      await until("some are accepted", () => accepted.length >= enough);
      server = await server.kill_and_restart();
      clearInterval(flood);
    }
    const bob = await Client.open(server, "bob");
    const told = await flushed(bob);
    const got = bob.all("note").map((m) => m.payload);
    assert.equal(told.delivered, got.length, `seed ${seed}`);
    assert.equal(told.dropped, 0, `seed ${seed}`);
    assert.deepEqual(got, [...got].sort((a, b) => a - b), `seed ${seed}: out of order`);
    assert.equal(new Set(got).size, got.length, `seed ${seed}: something is there twice`);
    assert.deepEqual(accepted.filter((n) => !got.includes(n)), [], `seed ${seed}: accepted and lost`);
    console.log(`${kills} kills, ${accepted.length} accepted, all there (seed ${seed})`);
  } finally {
    await server.stop();
  }
}

process.exit((await run({ queued_killed_returned, bounded_by_number_and_time, killed_at_any_moment })) ? 1 : 0);
