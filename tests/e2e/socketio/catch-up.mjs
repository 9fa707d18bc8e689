/** Getting what was missed, in order and without a gap. */

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { groupChat } from "../people.mjs";
import { Proxy } from "../proxy.mjs";

/** @param {import("./stage.mjs").Stage} stage filled before the first test runs */
export function catchUp(stage) {
  describe("catching up", () => {
    let url, sockets, ada, ben, cleo, direct;
    before(() => {
      ({ url, sockets, ada, ben, cleo, direct } = stage);
    });

    it("replays what came after a number, then goes on live", async () => {
      const group = (await groupChat(ada, [ben, cleo]))._id;
      const a = await sockets.connect(ada);
      for (let n = 1; n <= 30; n += 1) {
        await a.send(group, `${n}`);
      }
      const b = await sockets.connect(ben);
      const flow = (async () => {
        for (let n = 31; n <= 60; n += 1) {
          await a.send(group, `${n}`);
        }
      })();
      const answer = await b.join(group, 10);
      assert.equal(answer.complete, true);
      assert.ok(answer.replayed >= 20 && answer.lastSequence >= 30, JSON.stringify(answer));
      await flow;
      await b.until(() => b.messages.length >= 50, "50 messages");
      assert.deepEqual(
        b.texts(),
        Array.from({ length: 50 }, (_, n) => `${n + 11}`),
        "in order, without a gap, none twice",
      );
    });

    it("replays what was missed in a dropped connection", async () => {
      const network = new Proxy(url);
      await network.start();
      try {
        const b = await sockets.connect(ben, {
          url: network.url,
          reconnection: true,
          reconnectionDelay: 100,
          reconnectionDelayMax: 200,
        });
        const a = await sockets.connect(ada);
        const { lastSequence } = await b.join(direct);
        await a.send(direct, "before");
        await b.until(() => b.texts().includes("before"), "the first");
        network.cut();
        await b.until(() => b.disconnects.length > 0, "the drop");
        for (const text of ["missed 1", "missed 2", "missed 3"]) {
          await a.send(direct, text);
        }
        network.mend();
        await b.until(() => b.socket.connected, "the reconnect");
        const answer = await b.join(direct, lastSequence + 1);
        assert.deepEqual(answer, { ok: true, lastSequence: lastSequence + 4, replayed: 3, complete: true });
        assert.deepEqual(b.texts(), ["before", "missed 1", "missed 2", "missed 3"]);
      } finally {
        await network.close();
      }
    });

    it("refuses a number that is none", async () => {
      const a = await sockets.connect(ada);
      for (const after of ["x", -1, {}, 1.5]) {
        assert.equal((await a.ask("joinChat", { chatId: direct, after })).ok, false, JSON.stringify(after));
      }
    });
  });
}
