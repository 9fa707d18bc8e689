/** The broker is away for a minute: nobody who signs up or accepts notices, and everything follows later. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { signUp } from "../people.mjs";
import { invitedPairs } from "./invited.mjs";
import { appliedOnce, notAppliedYet } from "./outcome.mjs";

const OUTAGE = 1000 * Number(process.env.OUTAGE_SECONDS ?? 60);
const SIGN_UPS = 20;
const ACCEPTS = 10;
/** The slowest that an answer may be meanwhile, in milliseconds. */
const NORMAL = 5_000;

/** @param {{backends: import("../backends.mjs").Backends, host: import("../host.mjs").Host}} stage */
export function broker(stage) {
  describe("RabbitMQ away", () => {
    it(`${OUTAGE / 1000} s long: ${SIGN_UPS} sign-ups and ${ACCEPTS} accepts are answered, and applied once`, async (test) => {
      const { backends, host } = stage;
      const pairs = await invitedPairs(backends, host.url, ACCEPTS);
      const pending = [...pairs];
      const users = [];
      let slowest = 0;

      backends.network.rabbitmq.cut();
      const started = performance.now();
      for (let n = 1; n <= SIGN_UPS; n += 1) {
        const before = performance.now();
        users.push(await signUp(host.url));
        if (n % 2 === 0) {
          await pending.pop().accept();
        }
        slowest = Math.max(slowest, performance.now() - before);
        await pause(Math.max(0, started + (OUTAGE * n) / SIGN_UPS - performance.now()));
      }
      const expected = { users, pairs: pairs.map(({ from, to }) => [from, to]) };
      await notAppliedYet(backends, expected);
      backends.network.rabbitmq.mend();
      const mended = performance.now();

      await appliedOnce(backends, expected);
      const seconds = ((performance.now() - mended) / 1000).toFixed(1);
      test.diagnostic(`slowest answer ${slowest.toFixed(0)} ms; caught up ${seconds} s after the broker was back`);
      assert.ok(slowest < NORMAL, `an answer took ${slowest} ms`);
    });
  });
}
