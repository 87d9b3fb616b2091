// Starts a trouped of its own for a test: free port, data in a temporary folder, output kept for failures.
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const START_MS_MAX = 30_000;
const STOP_MS_MAX = 30_000;

export async function free_port() {
  const probe = createServer();
  await new Promise((resolve, reject) => probe.once("error", reject).listen(0, "127.0.0.1", resolve));
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

/** Waits until `ready` gives something true, asking again every 20 ms; throws naming `what` when it never does. */
export async function until(what, ready, ms_max = 10_000) {
  const end = Date.now() + ms_max;
  for (;;) {
    const value = await ready();
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited ${ms_max} ms for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export class Server {
  static async start(binary, ...args) {
    const data = await mkdtemp(join(tmpdir(), "troupe-test-"));
    try {
      return await Server.start_on(data, binary, ...args);
    } catch (error) {
      await rm(data, { recursive: true, force: true });
      throw error;
    }
  }

  /** Starts on data that is there, which is kept where the start fails. */
  static async start_on(data, binary, ...args) {
    const server = new Server();
    server.port = await free_port();
    server.data = data;
    server.command = [binary, ...args];
    server.output = "";
    server.process = spawn(binary, ["--listen", `127.0.0.1:${server.port}`, "--data", server.data, ...args]);
    server.ended = new Promise((resolve) => {
      const end = (status) => resolve((server.status = status));
      server.process.once("error", (error) => end(`${error.message}: no such program?`));
      server.process.once("exit", (code, signal) => end(code ?? signal));
    });
    for (const stream of [server.process.stdout, server.process.stderr]) stream.on("data", (data) => (server.output += data));
    try {
      await until("the server is ready", async () => {
        if (server.status !== undefined) throw new Error(`trouped ended with ${server.status}`);
        return (await fetch(`${server.http}/readyz`).catch(() => null))?.ok;
      }, START_MS_MAX);
    } catch (error) {
      await server.end();
      throw new Error(`${error.message}\n${server.output}`);
    }
    return server;
  }

  get http() {
    return `http://127.0.0.1:${this.port}`;
  }

  get ws() {
    return `ws://127.0.0.1:${this.port}/realtime`;
  }

  async metric(name) {
    const text = await (await fetch(`${this.http}/metrics`)).text();
    const lines = text.split("\n").filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`));
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
  }

  /** Kills the server (kill -9) and starts another one on its data. */
  async kill_and_restart() {
    this.process.kill("SIGKILL");
    await this.ended;
    return Server.start_on(this.data, ...this.command);
  }

  /** Ends the server as an operator would and returns its exit status. */
  async end() {
    if (this.status === undefined) this.process.kill("SIGTERM");
    const timer = setTimeout(() => this.process.kill("SIGKILL"), STOP_MS_MAX);
    await this.ended;
    clearTimeout(timer);
    return this.status;
  }

  /** As `end`, and removes its data. */
  async stop() {
    await this.end();
    await rm(this.data, { recursive: true, force: true });
    return this.status;
  }
}

/** Runs named cases one after another; prints each, and ends the process non-zero where one failed. */
export async function run(cases, show_output = () => "") {
  let failed = 0;
  for (const [name, body] of Object.entries(cases)) {
    try {
      await body();
      console.log(`ok    ${name}`);
    } catch (error) {
      failed++;
      console.log(`FAILED ${name}: ${error.stack}`);
    }
  }
  if (failed) console.log(show_output());
  return failed;
}
