/**
 * An HTTP client for one user: keeps the session cookie, and comes from a loopback address of its own,
 * so that tests don't share the request limit of one address.
 */

import { Agent, request as httpRequest } from "node:http";
import { setTimeout as pause } from "node:timers/promises";

/** Every call is answered within this, or the test fails. */
const CALL_BOUND = 30_000;

/**
 * @typedef {object} Answer
 * @property {number} status
 * @property {import("node:http").IncomingHttpHeaders} headers
 * @property {any} body JSON where it is JSON, else text
 * @property {Buffer} bytes
 */

export class Client {
  /** @type {string | null} */
  cookie = null;

  /** @param {string} base */
  constructor(base) {
    this.base = base;
    this.address = isLoopback(base) && process.platform === "linux" ? loopbackAddress() : undefined;
    this.agent = new Agent({ keepAlive: true, maxSockets: 8 });
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {{json?: unknown, form?: FormData, body?: string | Buffer, headers?: object}} [options]
   * @returns {Promise<Answer>}
   */
  async request(method, path, { json, form, body, headers = {} } = {}) {
    const sent = await encode({ json, form, body });
    const given = { ...sent.headers, ...(this.cookie ? { cookie: this.cookie } : {}), ...headers };
    const all = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
    return new Promise((resolve, reject) => {
      const outgoing = httpRequest(
        this.base + path,
        { method, agent: this.agent, localAddress: this.address, headers: all, timeout: CALL_BOUND },
        (incoming) => {
          const chunks = [];
          incoming.on("data", (chunk) => chunks.push(chunk));
          incoming.on("error", reject);
          incoming.on("end", () => {
            this.#keepCookie(incoming.headers["set-cookie"]);
            resolve(answer(incoming, Buffer.concat(chunks)));
          });
        },
      );
      outgoing.on("timeout", () => outgoing.destroy(new Error(`${method} ${path}: no answer in ${CALL_BOUND} ms`)));
      outgoing.on("error", reject);
      outgoing.end(sent.body);
    });
  }

  get(path, options) {
    return this.request("GET", path, options);
  }

  post(path, json, options) {
    return this.request("POST", path, { json, ...options });
  }

  put(path, json, options) {
    return this.request("PUT", path, { json, ...options });
  }

  patch(path, json, options) {
    return this.request("PATCH", path, { json, ...options });
  }

  delete(path, options) {
    return this.request("DELETE", path, options);
  }

  /** @returns {Client} with the same cookie, from another address */
  clone() {
    const other = new Client(this.base);
    other.cookie = this.cookie;
    return other;
  }

  #keepCookie(lines = []) {
    for (const line of lines) {
      const [, value] = /^token=([^;]*)/.exec(line) ?? [];
      if (value !== undefined) {
        this.cookie = value === "" ? null : `token=${value}`;
      }
    }
  }
}

async function encode({ json, form, body }) {
  if (form) {
    const encoded = new Response(form);
    const bytes = Buffer.from(await encoded.arrayBuffer());
    return {
      body: bytes,
      headers: { "content-type": encoded.headers.get("content-type"), "content-length": bytes.length },
    };
  }
  if (json !== undefined) {
    const bytes = Buffer.from(JSON.stringify(json));
    return { body: bytes, headers: { "content-type": "application/json", "content-length": bytes.length } };
  }
  return { body, headers: body === undefined ? {} : { "content-length": Buffer.byteLength(body) } };
}

function answer(incoming, bytes) {
  const text = bytes.toString("utf8");
  const isJson = incoming.headers["content-type"]?.startsWith("application/json");
  return { status: incoming.statusCode, headers: incoming.headers, body: isJson ? JSON.parse(text) : text, bytes };
}

function isLoopback(base) {
  return /^(127\.[0-9.]+|localhost)$/.test(new URL(base).hostname);
}

/** Any of 127.0.0.0/8 is this machine (on Linux); a random one isn't shared with an earlier run. */
function loopbackAddress() {
  const part = () => 1 + Math.floor(Math.random() * 254);
  return `127.${part()}.${part()}.${part()}`;
}

/**
 * Tries until it succeeds: for what follows from an event a moment later.
 * @template T
 * @param {() => Promise<T>} attempt throws while it isn't so yet
 * @param {number} [bound] milliseconds
 * @returns {Promise<T>}
 */
export async function eventually(attempt, bound = 15_000) {
  const deadline = Date.now() + bound;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > deadline) {
        throw error;
      }
      await pause(60);
    }
  }
}
