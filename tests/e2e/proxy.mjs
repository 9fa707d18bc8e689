/** A TCP proxy in front of a server, that can break connections the way networks do. */

import { once } from "node:events";
import { connect, createServer } from "node:net";
import { setTimeout as pause } from "node:timers/promises";

/** Where a URL without a port leads. */
const PORTS = { "http:": 80, "mongodb:": 27017, "redis:": 6379, "amqp:": 5672 };

export class Proxy {
  #server;
  #target;
  #pairs = new Set();
  #broken = false;
  #delay = 0;
  /** While it is there no byte passes. @type {{opened: Promise<void>, open: () => void} | null} */
  #gate = null;
  /** @type {{matches: (request: Buffer) => boolean, happened: () => void} | null} */
  #trap = null;

  /** @param {string} url of the server */
  constructor(url) {
    const { protocol, hostname, port } = new URL(url);
    this.#target = { host: hostname, port: Number(port) || PORTS[protocol] };
    this.#server = createServer((client) => this.#accept(client));
  }

  async start() {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    this.port = this.#server.address().port;
    this.url = `http://127.0.0.1:${this.port}`;
  }

  /**
   * @param {string} url of the server
   * @returns {string} the same by way of this proxy
   */
  via(url) {
    return url.replace(/^(\w+:\/\/(?:[^@/]*@)?)[^/]*/, `$1127.0.0.1:${this.port}`);
  }

  /** Breaks every connection and refuses new ones until `mend`. */
  cut() {
    this.#broken = true;
    for (const pair of this.#pairs) {
      pair.forEach((socket) => socket.resetAndDestroy());
    }
    // What was held belongs to connections that are gone.
    this.#open();
  }

  /** Connections stay and new ones are taken, but nothing passes until `mend`: a black hole. */
  hold() {
    if (!this.#gate) {
      let open;
      const opened = new Promise((resolve) => {
        open = resolve;
      });
      this.#gate = { opened, open };
    }
  }

  /** @param {number} milliseconds by which everything comes later, each way */
  slow(milliseconds) {
    this.#delay = milliseconds;
  }

  /**
   * Lets one request through and breaks its connection when the reply comes: the client can't know
   * whether it was carried out.
   * @param {(request: Buffer) => boolean} matches
   * @returns {Promise<void>} when that has happened
   */
  loseReply(matches) {
    return new Promise((resolve) => {
      this.#trap = { matches, happened: resolve };
    });
  }

  /** Ends every fault. */
  mend() {
    this.#broken = false;
    this.#delay = 0;
    this.#trap = null;
    this.#open();
  }

  async close() {
    this.cut();
    this.#server.close();
    await once(this.#server, "close");
  }

  #open() {
    this.#gate?.open();
    this.#gate = null;
  }

  #accept(client) {
    if (this.#broken) {
      client.resetAndDestroy();
      return;
    }
    const server = connect(this.#target);
    const pair = [client, server];
    this.#pairs.add(pair);
    for (const socket of pair) {
      socket.setNoDelay(true);
      socket.on("error", () => {}); // "close" follows.
      socket.on("close", () => {
        if (pair.every(({ destroyed }) => destroyed)) {
          this.#pairs.delete(pair);
        }
      });
    }
    const state = { caught: null };
    this.#carry(client, server, (bytes) => {
      if (this.#trap?.matches(bytes)) {
        state.caught = this.#trap;
        this.#trap = null;
      }
      return true;
    });
    this.#carry(server, client, () => {
      if (state.caught) {
        pair.forEach((socket) => socket.resetAndDestroy());
        state.caught.happened();
        return false;
      }
      return true;
    });
  }

  /** One way of a connection; reads no faster than it can pass on. */
  async #carry(from, to, mayPass) {
    try {
      for await (const bytes of from) {
        if (this.#delay > 0) {
          await pause(this.#delay);
        }
        while (this.#gate) {
          await this.#gate.opened;
        }
        if (to.destroyed || !mayPass(bytes)) {
          return; // Which destroys `from`.
        }
        if (!to.write(bytes)) {
          await Promise.race([once(to, "drain"), once(to, "close")]);
        }
      }
      to.end();
    } catch {
      to.destroy();
    }
  }
}
