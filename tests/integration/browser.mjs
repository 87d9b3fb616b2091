// Two people in two browser pages: node browser.mjs TROUPED [SCREENSHOT.png [SCREENSHOT_OF_A_CUT_LINE.png]]
// They chat, see each other come, change state and go; one loses the line and comes back to its session.
import assert from "node:assert/strict";
import { createHmac, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import WebSocket from "ws";
import { Server, run, until } from "./server.mjs";

const [binary, screenshot, cut_screenshot] = process.argv.slice(2);
const executablePath = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
assert(executablePath, "there is no chromium; scripts/packages test installs it");

const QUIET = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"];

const server = await Server.start(binary, "--set", "session.resume_window=20s");
const browser = await chromium.launch({ executablePath, args: QUIET });
const outside = [];

async function open(user, rooms = "lobby") {
  const page = await browser.newPage({ viewport: { width: 1180, height: 640 } });
  page.on("pageerror", (error) => outside.push(`${user}: ${error}`));
  page.on("request", (request) => {
    if (!request.url().startsWith(server.http) && !request.url().startsWith("data:")) outside.push(request.url());
  });
  await page.goto(`${server.http}/?user=${user}&rooms=${rooms}`);
  await page.locator("#state[data-state=online]").waitFor();
  return page;
}

const say = async (page, text) => {
  await page.locator("#text").fill(text);
  await page.locator("#text").press("Enter");
};
const body = (page, text) => page.locator("#messages .body", { hasText: text });
const member = (page, user) => page.locator("#members li", { hasText: user });
const joined = (page) => page.locator("#messages .note", { hasText: "you joined" }).first().waitFor();

/** A JSON Web Token (RFC 7519) for an hour. */
function token_of(user, secret) {
  const part = (what) => Buffer.from(JSON.stringify(what)).toString("base64url");
  const data = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub: user, exp: Date.now() / 1000 + 3600 })}`;
  return `${data}.${createHmac("sha256", secret).update(data).digest("base64url")}`;
}

let ann, bob;
const cases = {
  "two pages see each other": async () => {
    ann = await open("ann", "lobby,green-room");
    await joined(ann);
    bob = await open("bob");
    await joined(bob);
    await member(ann, "bob").waitFor();
    await member(bob, "ann").waitFor();
  },
  "a line of one is read by the other, and acknowledged": async () => {
    await say(ann, "Is anybody on stage?");
    await body(bob, "Is anybody on stage?").waitFor();
    await ann.locator("#messages .own:not(.pending):not(.failed)").waitFor();
    await say(bob, "Only me and the lights.");
    await body(ann, "Only me and the lights.").waitFor();
  },
  "a change of state is seen": async () => {
    await bob.locator("#my-state").selectOption("busy");
    await ann.locator("#members li[data-presence=busy]", { hasText: "bob" }).waitFor();
  },
  "a third page that crashes leaves no ghost in its own time": async () => {
    const context = await browser.newContext();
    const eve = await context.newPage();
    await eve.goto(`${server.http}/?user=eve`);
    await member(ann, "eve").waitFor();
    await eve.goto("chrome://crash").catch(() => {}); // it has no time for a good-bye
    await context.close();
    await member(ann, "eve").waitFor({ state: "detached", timeout: 40_000 });
    await ann.locator("#messages .note", { hasText: "eve left" }).waitFor();
  },
  "a lost line is resumed: what was said meanwhile arrives, and nobody saw a leave": async () => {
    const connection = await bob.locator("#connection-id").textContent();
    await bob.clock.install();
    await bob.clock.pauseAt(Date.now() + 1000);
    await bob.locator("#cut", { hasText: "Cut the line" }).click();
    await bob.locator("#state-text", { hasText: "you cut the line: back in 5 s" }).waitFor();
    await say(ann, "You missed this.");
    await ann.locator("#messages .own:not(.pending):not(.failed)", { hasText: "You missed this." }).waitFor();
    await bob.clock.runFor(1500);
    await bob.locator("#state-text", { hasText: "you cut the line: back in 4 s" }).waitFor();
    if (cut_screenshot) await bob.screenshot({ path: cut_screenshot });
    assert.equal(await body(bob, "You missed this.").count(), 0);
    await member(ann, "bob").waitFor();
    await bob.clock.runFor(3500);
    await body(bob, "You missed this.").waitFor();
    await bob.locator("#messages .note", { hasText: "back, with everything that was missed" }).waitFor();
    assert.equal(await bob.locator("#connection-id").textContent(), connection);
    assert.equal(await body(bob, "You missed this.").count(), 1);
    assert.equal(await ann.locator("#messages .note", { hasText: "bob left" }).count(), 0);
    await say(bob, "I read it.");
    await body(ann, "I read it.").waitFor();
  },
  "a second click mends the line that was cut": async () => {
    const connection = await bob.locator("#connection-id").textContent();
    await bob.locator("#cut").click(); // bob's clock stands still
    await bob.locator("#state-text", { hasText: "you cut the line" }).waitFor();
    await bob.locator("#cut", { hasText: "Mend the line" }).click();
    await bob.locator("#state[data-state=online]").waitFor();
    await say(bob, "Mended.");
    await body(ann, "Mended.").waitFor();
    assert.equal(await bob.locator("#connection-id").textContent(), connection);
    assert.equal(await ann.locator("#messages .note", { hasText: "bob left" }).count(), 0);
    assert.equal(await bob.locator("#messages .note", { hasText: "you cut the line" }).count(), 2);
    assert.equal(await bob.locator("#messages .note", { hasText: "the connection ended" }).count(), 0);
    await bob.clock.resume();
  },
  "who reloads or closes a tab is seen to leave at once": async () => {
    const left = (times) => until(`dan left ${times} times`, async () =>
      await ann.locator("#messages .note", { hasText: "dan left" }).count() === times);
    const dan = await open("dan");
    await member(ann, "dan").waitFor();
    await dan.reload();
    await left(1); // the session would be kept for twice as long as this waits
    await dan.locator("#state[data-state=online]").waitFor();
    await member(ann, "dan").waitFor();
    assert.equal(await member(ann, "dan").count(), 1);
    await dan.close({ runBeforeUnload: true });
    await left(2);
    await member(ann, "dan").waitFor({ state: "detached" });
  },
  "a restarted browser page is somebody new, and says good-bye to nobody twice": async () => {
    await bob.locator("#toggle").click();
    await bob.locator("#state[data-state=offline]").waitFor();
    await member(ann, "bob").waitFor({ state: "detached" });
    await bob.locator("#toggle").click();
    await member(ann, "bob").waitFor();
  },
  "the page shows the node's counters": async () => {
    await until("the counter of connections", async () => Number(await ann.locator("#connections").textContent()) >= 2);
  },
  "a reader that stops reading is cut off, and the page shows why": async () => {
    const enter = (user) => new Promise((resolve, reject) => {
      const socket = new WebSocket(`${server.ws}?user=${user}`);
      socket.on("error", reject);
      socket.once("message", () => socket.send(JSON.stringify({ type: "room:join", room: "flood" })));
      socket.on("message", (data) => data.includes('"ack"') && resolve(socket));
    });
    const reader = await enter("reader");
    reader.pause();
    const writer = await enter("writer");
    const payload = "x".repeat(60_000);
    await until("the reader's outbox is full", async () => {
      for (let i = 0; i < 20; i++) writer.send(JSON.stringify({ type: "fill", room: "flood", payload }));
      return await server.metric('troupe_backpressure_total{reason="slow_consumer"}') > 0;
    });
    await ann.locator("#backpressure li", { hasText: "slow consumer" }).waitFor();
    writer.close(1000);
    reader.terminate();
    await say(ann, "Somebody fell asleep in the stalls; the show goes on.");
    await body(bob, "the show goes on").waitFor();
  },
  "a node that has keys asks for a token": async () => {
    const folder = await mkdtemp(join(tmpdir(), "troupe-keys-"));
    const secret = randomBytes(32);
    await writeFile(join(folder, "secret"), secret, { mode: 0o600 });
    const keyed = await Server.start(binary, "--set", `auth.keys=${join(folder, "secret")}`);
    const page = await browser.newPage();
    try {
      page.on("pageerror", (error) => outside.push(`kim: ${error}`));
      await page.goto(`${keyed.http}/`);
      for (const bad of ["no token at all", token_of("kim", "another secret of as many bytes!")]) {
        await page.locator("#token").fill(bad); // it is shown when the node stays silent
        await page.locator("#toggle").click();
        await page.locator("#state[data-state=refused]").waitFor();
        await page.locator("#state-text", { hasText: "3500" }).waitFor();
      }
      await page.locator("#token").fill(token_of("kim", secret));
      await page.locator("#toggle").click();
      await page.locator("#state[data-state=online]").waitFor();
      assert.equal(await page.locator("#user").inputValue(), "kim");
      await say(page, "With a ticket.");
      await page.locator("#messages .own:not(.pending):not(.failed)").waitFor();
    } finally {
      await page.close();
      await keyed.stop();
      await rm(folder, { recursive: true });
    }
  },
  "nothing failed in the pages, and they fetched nothing from elsewhere": async () => {
    assert.deepEqual(outside, []);
  },
};

let failed = 1;
try {
  failed = await run(cases, () => server.output);
  if (screenshot) await ann.screenshot({ path: screenshot });
} finally {
  await browser.close();
  const status = await server.stop();
  if (status !== 0) {
    console.log(`FAILED: trouped ended with ${status}\n${server.output}`);
    failed++;
  }
}
process.exit(failed ? 1 : 0);
