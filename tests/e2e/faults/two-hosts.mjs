/** What two hosts share: a dead one's events, the request limit, and the login throttle. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Client } from "../client.mjs";
import { startHost } from "../host.mjs";
import { signUp } from "../people.mjs";
import { appliedOnce, notAppliedYet } from "./outcome.mjs";

/** Requests at once; either host alone would let 21 of its half through. */
const REQUESTS = 60;
const BURSTS = 8;
/** Longer than that moment, in milliseconds. */
const APART = 500;
/** How many requests a host may have let through by itself. */
const ALONE = 6;
const LOGINS = 15;

/** @param {{backends: import("../backends.mjs").Backends, host: import("../host.mjs").Host}} stage */
export function twoHosts(stage) {
  describe("two hosts", () => {
    let first, second;
    before(async () => {
      first = stage.host;
      second = await startHost({ env: stage.backends.env });
    });
    after(() => second?.close());

    /** Clients of either host in turn, from one address. */
    function clients(count) {
      const [{ address }] = [new Client(first.url)];
      return Array.from({ length: count }, (_, n) => {
        const client = new Client(n % 2 ? second.url : first.url);
        client.address = address;
        return client;
      });
    }

    it("count one address's requests together", async () => {
      const bursts = [];
      // A host that hears nothing from Redis within milliseconds decides alone for a moment.
      while (bursts.length < BURSTS && !bursts.some(({ passed, allowed }) => passed <= allowed)) {
        await pause(APART);
        bursts.push(await burst());
      }
      const { passed, allowed } = bursts.at(-1);
      assert.ok(passed >= 21 && passed <= allowed, JSON.stringify(bursts));
    });

    async function burst() {
      const all = clients(REQUESTS);
      const started = performance.now();
      const answers = await Promise.all(all.map((client) => client.get("/auth/nowhere")));
      const seconds = (performance.now() - started) / 1000;
      const passed = answers.filter(({ status }) => status === 404).length;
      assert.equal(passed + answers.filter(({ status }) => status === 429).length, REQUESTS);
      // A full bucket, what trickled in meanwhile, and some that a host decided alone. Two hosts that
      // share nothing let 42 through.
      return { passed, allowed: 21 + Math.ceil(seconds * 10) + ALONE };
    }

    it("count one address's log-ins together", async () => {
      const nobody = { emailId: "no address", password: "x" };
      const [last, ...others] = clients(LOGINS + 1);
      let remaining = LOGINS;
      for (const client of others) {
        const { status, headers } = await client.post("/auth/login", nobody);
        remaining -= 1;
        assert.equal(status, 400);
        assert.equal(Number(headers["ratelimit-remaining"]), remaining);
      }
      const { status, body } = await last.post("/auth/login", nobody);
      assert.equal(status, 429, JSON.stringify(body));
    });

    it("take over the events of one that doesn't come back", async () => {
      const { backends } = stage;
      backends.network.rabbitmq.cut();
      const users = [];
      while (users.length < 6) {
        users.push(await signUp(second.url));
      }
      await second.kill();
      await notAppliedYet(backends, { users });
      backends.network.rabbitmq.mend();
      await appliedOnce(backends, { users });
    });
  });
}
