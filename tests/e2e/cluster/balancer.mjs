/**
 * A TCP load balancer: least connections, health checks, and the client's address kept. Connections of
 * a host that is gone are broken at once, so that their clients go elsewhere.
 */

import { once } from "node:events";
import { connect, createServer } from "node:net";
import { setTimeout as pause } from "node:timers/promises";

/** Between two checks of a host, and for how long one may take, in milliseconds. */
const CHECK_EVERY = 200;
const CHECK_BOUND = 1_500;

export class Balancer {
  #server;
  #backends;
  #checking = new AbortController();

  /** @param {{address: string, port: number, url: string}[]} hosts */
  constructor(hosts) {
    this.#backends = hosts.map((host) => ({ host, healthy: false, pairs: new Set() }));
    this.#server = createServer((client) => this.#accept(client));
  }

  async start() {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    this.url = `http://127.0.0.1:${this.#server.address().port}`;
    for (const backend of this.#backends) {
      await this.#check(backend);
      this.#keepChecking(backend);
    }
  }

  /** How many connections each host has. */
  get spread() {
    return this.#backends.map(({ pairs }) => pairs.size);
  }

  async close() {
    this.#checking.abort();
    this.#backends.forEach((backend) => this.#drop(backend));
    this.#server.close();
    await once(this.#server, "close");
  }

  async #keepChecking(backend) {
    while (!this.#checking.signal.aborted) {
      await this.#check(backend);
      await pause(CHECK_EVERY);
    }
  }

  async #check(backend) {
    let healthy = false;
    try {
      const response = await fetch(`${backend.host.url}/health`, { signal: AbortSignal.timeout(CHECK_BOUND) });
      healthy = response.ok;
    } catch {
      // Not there.
    }
    backend.healthy = healthy;
    if (!healthy) {
      this.#drop(backend);
    }
  }

  #drop(backend) {
    for (const pair of backend.pairs) {
      pair.forEach((socket) => socket.resetAndDestroy());
    }
  }

  #accept(client) {
    const healthy = this.#backends.filter((backend) => backend.healthy);
    const [backend] = healthy.sort((a, b) => a.pairs.size - b.pairs.size);
    if (!backend) {
      client.resetAndDestroy();
      return;
    }
    const { address, port } = backend.host;
    // Every loopback address is this machine's, so the host sees the client's own.
    const server = connect({ host: address, port, localAddress: client.remoteAddress });
    const pair = [client, server];
    backend.pairs.add(pair);
    for (const [from, to] of [pair, [server, client]]) {
      from.setNoDelay(true);
      from.on("error", () => to.destroy());
      from.on("close", () => {
        backend.pairs.delete(pair);
        to.destroySoon();
      });
      from.pipe(to);
    }
  }
}
