/** An operator of the host under test: the admin API, and components that differ in nothing but their digest. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
/** A deployment may compile. */
const CALL_BOUND = 120_000;

export class Operator {
  #url;
  #token;

  /** @param {import("./host.mjs").Host} host */
  constructor(host) {
    this.#url = host.adminUrl;
    this.#token = host.adminToken;
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {{json?: unknown, bytes?: Uint8Array, token?: string}} [options]
   * @returns {Promise<{status: number, body: any, text: string}>}
   */
  async call(method, path, { json, bytes, token = this.#token } = {}) {
    const response = await fetch(this.#url + path, {
      method,
      headers: { authorization: `Bearer ${token}` },
      body: json === undefined ? bytes : JSON.stringify(json),
      signal: AbortSignal.timeout(CALL_BOUND),
    });
    const text = await response.text();
    const isJson = response.headers.get("content-type")?.startsWith("application/json");
    return { status: response.status, body: isJson && text ? JSON.parse(text) : null, text };
  }

  /** The same, and it must succeed. */
  async do(method, path, json) {
    const { status, body, text } = await this.call(method, path, { json });
    assert.ok(status >= 200 && status < 300, `${method} ${path}: ${status} ${text}`);
    return body;
  }

  /**
   * @param {Buffer} bytes of a component
   * @returns {Promise<string>} its digest
   */
  async upload(bytes) {
    const digest = createHash("sha256").update(bytes).digest("hex");
    const { status, text } = await this.call("PUT", `/v1/artifacts/${digest}`, { bytes });
    assert.equal(status, 201, text);
    return digest;
  }

  /** @returns {Promise<any>} the host's figures */
  status() {
    return this.do("GET", "/v1/status");
  }
}

/** @param {string} name of one of the application's components */
export function component(name) {
  return readFileSync(resolve(ROOT, componentFile(name)));
}

/** @param {string} name of one of the application's components */
export function componentFile(name) {
  const manifest = readFileSync(resolve(ROOT, "spin.toml"), "utf8");
  return new RegExp(`\\[component\\.${name}\\][^[]*?source = "([^"]+)"`).exec(manifest)[1];
}

/**
 * The same component with another digest: a custom section is added, which nothing reads.
 * @param {Buffer} bytes
 * @param {number} mark 0 to 255
 */
export function variant(bytes, mark) {
  // Section 0, three bytes: a name of one letter and one byte of content.
  return Buffer.concat([bytes, Buffer.from([0, 3, 1, 0x76, mark])]);
}
