/**
 * The host under test: one that runs already (`BASE_URL`), or one this starts from `PINGTALK_BIN` on
 * a free port with a data directory of its own, and ends by its pid. Every wait is bounded.
 */

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, fstatSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";

/** The repository, where the host finds its manifest. */
const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
/** Compiled components, kept from one test's host to the next. */
const COMPILED = join(tmpdir(), `pingtalk-e2e-compiled-${process.getuid?.() ?? "user"}`);
/** The first start compiles the components. */
const START_BOUND = 180_000;
const STOP_BOUND = 30_000;
const COMMAND_BOUND = 60_000;

/** The host under test is Spin: without WebSockets, and exact about letter case in paths. */
export const ON_SPIN = process.env.ON_SPIN === "1";
export const BINARY = process.env.PINGTALK_BIN ? resolve(process.env.PINGTALK_BIN) : null;
/** What the tests sign tokens with to see them refused for one fault only. */
export const SECRET = process.env.JWT_SECRET ?? "a secret of the end-to-end tests, 32 bytes at least";

/**
 * @returns {Promise<Host | RunningHost>} `BASE_URL`'s, else one started for the caller
 */
export async function host() {
  if (process.env.BASE_URL) {
    return new RunningHost(process.env.BASE_URL.replace(/\/$/, ""));
  }
  return startHost();
}

/**
 * @param {HostOptions} [options]
 * @returns {Promise<Host>}
 */
export async function startHost(options) {
  const host = await newHost(options);
  await host.start();
  return host;
}

/**
 * @param {HostOptions} [options]
 * @returns {Promise<Host>} not started yet
 */
export async function newHost(options = {}) {
  if (!BINARY) {
    throw new Error("set PINGTALK_BIN to the host's binary, or BASE_URL to a running host");
  }
  return new Host(await freePort(options.address), options);
}

/** A host somebody else started. */
export class RunningHost {
  /** Whether the secret that signs tokens is known here. */
  knowsSecret = process.env.JWT_SECRET !== undefined;

  constructor(url) {
    this.url = url;
  }

  async close() {}
}

/**
 * @typedef {object} HostOptions
 * @property {{[name: string]: string}} [env] beside this process's
 * @property {string} [address] to listen on
 */

/** A host started here. */
export class Host {
  knowsSecret = true;
  /** The certificate it is known by, where it speaks TLS. @type {Buffer | undefined} */
  ca;
  #data = mkdtempSync(join(tmpdir(), "pingtalk-e2e-"));
  #child = null;
  /** Where the log of the current start begins. */
  #logged = 0;
  #env;

  /**
   * @param {number} port
   * @param {HostOptions} [options]
   */
  constructor(port, { env = {}, address = "127.0.0.1" } = {}) {
    this.port = port;
    this.address = address;
    this.url = `http://${address}:${port}`;
    this.#env = {
      PINGTALK_COMPILE_CACHE: COMPILED,
      ...process.env,
      JWT_SECRET: SECRET,
      PINGTALK_DATA: join(this.#data, "data"),
      PINGTALK_ADMIN_LISTEN: "127.0.0.1:0",
      ...env,
    };
    process.once("exit", () => this.#child?.kill("SIGKILL"));
  }

  async start() {
    const log = openSync(join(this.#data, "host.log"), "a");
    this.#logged = fstatSync(log).size;
    const child = spawn(BINARY, ["up", "--listen", `${this.address}:${this.port}`], {
      cwd: ROOT,
      env: this.#env,
      stdio: ["ignore", log, log],
    });
    closeSync(log);
    this.#child = child;
    const failed = new Promise((_, reject) => {
      child.once("error", reject);
      child.once("exit", (code, signal) =>
        reject(new Error(`the host ended at once (${signal ?? code}):\n${this.log()}`)),
      );
    });
    failed.catch(() => {});
    const answers = this.#waitForHealth().then(() => this.#waitForWords());
    await Promise.race([answers, failed]);
  }

  async #waitForHealth() {
    const deadline = Date.now() + START_BOUND;
    while (Date.now() < deadline) {
      try {
        if (await this.#isHealthy()) {
          return;
        }
      } catch {
        // Not listening yet.
      }
      if (this.#child?.exitCode !== null) {
        return; // Reported by whoever watches the process.
      }
      await pause(50);
    }
    throw new Error(`the host did not answer within ${START_BOUND} ms:\n${this.log()}`);
  }

  async #isHealthy() {
    const options = { ca: this.ca, agent: false, timeout: 2_000 };
    const request = this.url.startsWith("https") ? httpsRequest : httpRequest;
    const outgoing = request(`${this.url}/health`, options).end();
    outgoing.on("timeout", () => outgoing.destroy());
    const [incoming] = await once(outgoing, "response");
    incoming.resume();
    return incoming.statusCode === 200;
  }

  /** It says where everything is a moment after it answers. */
  async #waitForWords() {
    while (this.#child?.exitCode === null && !/^Stop with/m.test(this.#wholeLog())) {
      await pause(5);
    }
  }

  /** Ends it without warning, as a power cut would. */
  async kill() {
    await this.#end("SIGKILL");
  }

  /** Asks it to drain, and returns its exit code. */
  async stop() {
    return this.#end("SIGTERM");
  }

  async #end(signal) {
    const child = this.#child;
    this.#child = null;
    if (!child || child.exitCode !== null || child.signalCode !== null) {
      return child?.exitCode ?? null;
    }
    const ended = once(child, "exit", { signal: AbortSignal.timeout(STOP_BOUND) });
    child.kill(signal);
    try {
      await ended;
    } catch {
      child.kill("SIGKILL");
      throw new Error(`the host did not end within ${STOP_BOUND} ms of ${signal}:\n${this.log()}`);
    }
    return child.exitCode;
  }

  /**
   * What an operator types while it runs, with the same configuration.
   * @param {...string} words after `pingtalk`
   * @returns {Promise<{code: number | string, stdout: string, stderr: string}>}
   */
  command(...words) {
    return new Promise((resolve) => {
      const env = this.#child ? { ...this.#env, PINGTALK_ADMIN_URL: this.adminUrl } : this.#env;
      const options = { cwd: ROOT, env, timeout: COMMAND_BOUND, killSignal: "SIGKILL" };
      execFile(BINARY, words, options, (error, stdout, stderr) => {
        resolve({ code: error ? (error.code ?? error.signal) : 0, stdout, stderr });
      });
    });
  }

  /** The end of what it logged. */
  log() {
    return this.#wholeLog().split("\n").slice(-40).join("\n");
  }

  /** What it logged, line by line. */
  lines() {
    return this.#wholeLog().split("\n");
  }

  /** Since the last start. */
  #wholeLog() {
    return readFileSync(join(this.#data, "host.log")).subarray(this.#logged).toString("utf8");
  }

  /** Where its admin API is, as it said at its start. */
  get adminUrl() {
    return /^ +console +(http\S+)/m.exec(this.#wholeLog())[1];
  }

  get pid() {
    return this.#child.pid;
  }

  /** The token that it made for itself. */
  get adminToken() {
    return readFileSync(join(this.#data, "data", "secrets", "admin_token"), "utf8");
  }

  /** Ends it and removes its data. */
  async close() {
    await this.kill();
    rmSync(this.#data, { recursive: true, force: true });
  }
}

/** @param {string} [address] */
export async function freePort(address = "127.0.0.1") {
  const server = createServer().listen(0, address);
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}
