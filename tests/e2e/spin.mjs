/**
 * A real `spin up` of this repository's manifest: `SPIN` names the binary, else the one on the PATH.
 * It listens on a free port of 127.0.0.1, keeps its state in a folder of its own, and is ended by its
 * pid. Every wait is bounded.
 */

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { SECRET, freePort } from "./host.mjs";

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
/** Spin compiles every composed component before it answers. */
const START_BOUND = 300_000;

/** The binary, or null where there is none. */
export const SPIN = process.env.SPIN ?? (spawnSync("spin", ["--version"]).error ? null : "spin");

export class Spin {
  #folder = mkdtempSync(join(tmpdir(), "pingtalk-spin-"));
  #child = null;

  /** Starts it, or starts it again on the same state. */
  async start() {
    const port = this.url ? new URL(this.url).port : await freePort("127.0.0.1");
    this.url = `http://127.0.0.1:${port}`;
    const log = openSync(join(this.#folder, "spin.log"), "a");
    const state = ["--state-dir", this.#folder, "--log-dir", join(this.#folder, "logs")];
    this.#child = spawn(SPIN, ["up", "--listen", `127.0.0.1:${port}`, ...state], {
      cwd: ROOT,
      env: { ...process.env, SPIN_VARIABLE_JWT_SECRET: SECRET },
      stdio: ["ignore", log, log],
    });
    closeSync(log);
    process.once("exit", () => this.#child?.kill("SIGKILL"));
    const until = Date.now() + START_BOUND;
    while (Date.now() < until && this.#child.exitCode === null) {
      const answer = await fetch(`${this.url}/health`).catch(() => null);
      if (answer?.status === 200) {
        return;
      }
      await pause(200);
    }
    throw new Error(`spin up did not start:\n${this.log()}`);
  }

  /** Ends it at once, as a crash would. */
  async kill() {
    const child = this.#child;
    if (child && child.exitCode === null && child.signalCode === null) {
      child.kill("SIGKILL");
      await once(child, "exit");
    }
  }

  async close() {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** The last of what it said. */
  log() {
    return readFileSync(join(this.#folder, "spin.log"), "utf8").slice(-4_000);
  }
}
