/**
 * The servers that production backends need. MongoDB and RabbitMQ run already and are shared, so each
 * test file takes databases and a virtual host of its own; a Redis each starts for itself.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import amqp from "amqplib";
import { BINARY, freePort } from "./host.mjs";

const START_BOUND = 10_000;
/** Every queue there is for events. */
const QUEUES = ["profile.auth.user.created", "request.auth.user.created", "chat.request.accepted"];
/** What our host may have put beside each: dead letters, and events that wait for another attempt. */
const BESIDE = [".dead", ".dead.lock", ...Array.from({ length: 7 }, (_, n) => `.retry.${200 * 2 ** n}`)];

export const MONGODB = process.env.PINGTALK_TEST_MONGODB;
export const RABBITMQ = process.env.PINGTALK_TEST_RABBITMQ;

/** Why a file that needs the servers can't run; false if it can. */
export const CANT_RUN = reason();

function reason() {
  if (!BINARY) {
    return "needs PINGTALK_BIN";
  }
  const unset = ["PINGTALK_TEST_MONGODB", "PINGTALK_TEST_RABBITMQ"].filter((name) => !process.env[name]);
  return unset.length === 0 ? false : `needs servers: run \`cargo xtask test\`, or set ${unset.join(" and ")}`;
}

/**
 * @param {string} name of a virtual host
 * @returns {string} its URL
 */
export function virtualHost(name) {
  const url = new URL(RABBITMQ);
  url.pathname = `/${encodeURIComponent(name)}`;
  return url.toString();
}

/**
 * Removes what an earlier run may have left in a virtual host.
 * @param {string} url
 */
export async function emptyVirtualHost(url) {
  const connection = await amqp.connect(url);
  const channel = await connection.createChannel();
  for (const queue of QUEUES) {
    for (const suffix of ["", ...BESIDE]) {
      await channel.deleteQueue(queue + suffix);
    }
  }
  await channel.deleteExchange("events.exchange");
  await connection.close();
}

/**
 * @param {string} database
 * @returns {string} the URL with which a service uses it
 */
export function databaseUrl(database) {
  const url = new URL(MONGODB);
  url.pathname = `/${database}`;
  return url.toString();
}

/** A Redis of one's own, without persistence. */
export class Redis {
  #child = null;
  #folder = mkdtempSync(join(tmpdir(), "pingtalk-e2e-redis-"));

  static async start() {
    const redis = new Redis();
    redis.port = await freePort();
    redis.url = `redis://127.0.0.1:${redis.port}`;
    process.once("exit", () => redis.#child?.kill("SIGKILL"));
    await redis.start();
    return redis;
  }

  /** Again with nothing in it, if it was killed. */
  async start() {
    const options = ["--bind", "127.0.0.1", "--port", `${this.port}`, "--save", "", "--appendonly", "no"];
    const child = spawn("redis-server", [...options, "--dir", this.#folder], { stdio: "ignore" });
    this.#child = child;
    const failed = once(child, "exit").then(([code]) => {
      throw new Error(`redis-server ended at once (${code})`);
    });
    failed.catch(() => {});
    await Promise.race([this.#answers(), failed]);
  }

  async #answers() {
    const deadline = Date.now() + START_BOUND;
    while (Date.now() < deadline) {
      const socket = connect(this.port, "127.0.0.1");
      try {
        await once(socket, "connect");
        return;
      } catch {
        await pause(20); // Not listening yet.
      } finally {
        socket.destroy();
      }
    }
    throw new Error(`redis-server did not listen within ${START_BOUND} ms`);
  }

  async kill() {
    const child = this.#child;
    this.#child = null;
    if (child && child.exitCode === null && child.signalCode === null) {
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    }
  }

  async close() {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
