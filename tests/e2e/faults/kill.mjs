/** A host that dies between a write and the publishing of its event. */

import { describe, it } from "node:test";
import { signUp } from "../people.mjs";
import { invitedPairs } from "./invited.mjs";
import { appliedOnce, notAppliedYet } from "./outcome.mjs";

/** @param {{backends: import("../backends.mjs").Backends, host: import("../host.mjs").Host}} stage */
export function kill(stage) {
  describe("kill -9 between write and publish", () => {
    it("loses no event: started again, the host publishes what it had promised", async () => {
      const { backends, host } = stage;
      const pairs = await invitedPairs(backends, host.url, 4);
      backends.network.rabbitmq.cut();
      const users = [];
      while (users.length < 6) {
        users.push(await signUp(host.url));
      }
      await Promise.all(pairs.map(({ accept }) => accept()));
      await host.kill();
      const expected = { users, pairs: pairs.map(({ from, to }) => [from, to]) };
      await notAppliedYet(backends, expected);
      backends.network.rabbitmq.mend();
      await host.start();
      await appliedOnce(backends, expected);
    });
  });
}
