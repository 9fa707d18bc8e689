/** A TCP proxy in front of the host that can break connections the way networks do. */

import { once } from "node:events";
import { connect, createServer } from "node:net";

export class Proxy {
  #server;
  #host;
  #pairs = new Set();
  #broken = false;

  /** @param {string} url of the host */
  constructor(url) {
    this.#host = new URL(url);
    this.#server = createServer((client) => this.#accept(client));
  }

  async start() {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    this.url = `http://127.0.0.1:${this.#server.address().port}`;
  }

  /** Breaks every connection and refuses new ones until `mend`. */
  cut() {
    this.#broken = true;
    for (const pair of this.#pairs) {
      pair.forEach((socket) => socket.resetAndDestroy());
    }
  }

  mend() {
    this.#broken = false;
  }

  async close() {
    this.cut();
    this.#server.close();
    await once(this.#server, "close");
  }

  #accept(client) {
    if (this.#broken) {
      client.resetAndDestroy();
      return;
    }
    const host = connect(Number(this.#host.port), this.#host.hostname);
    const pair = [client, host];
    this.#pairs.add(pair);
    for (const [from, to] of [
      [client, host],
      [host, client],
    ]) {
      from.setNoDelay(true);
      from.on("error", () => to.destroy());
      from.on("close", () => {
        this.#pairs.delete(pair);
        to.destroy();
      });
      from.pipe(to);
    }
  }
}
