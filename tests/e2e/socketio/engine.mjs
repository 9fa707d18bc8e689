/** Engine.IO underneath, as its protocol says. */

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { Client } from "../client.mjs";
import { ON_SPIN } from "../host.mjs";

/** @param {import("./stage.mjs").Stage} stage filled before the first test runs */
export function engine(stage) {
  describe("Engine.IO", () => {
    let url, sockets, ada;
    before(() => {
      ({ url, sockets, ada } = stage);
    });

    const poll = (query, options) => new Client(url).request("GET", `/chat/socket.io/?${query}`, options);
    const cases = [
      ["an unknown session", "EIO=4&transport=polling&sid=nobody", { code: 1, message: "Session ID unknown" }],
      ["an unknown transport", "EIO=4&transport=pigeon", { code: 0, message: "Transport unknown" }],
      ["an older protocol", "EIO=3&transport=polling", { code: 5, message: "Unsupported protocol version" }],
    ];
    for (const [name, query, body] of cases) {
      it(`refuses ${name}`, async () => {
        const answer = await poll(query);
        assert.equal(answer.status, 400);
        assert.deepEqual(answer.body, body);
      });
    }

    it("tells its intervals and bound at the handshake", async () => {
      const { status, body } = await poll("EIO=4&transport=polling");
      assert.equal(status, 200);
      assert.equal(body[0], "0");
      const open = JSON.parse(body.slice(1));
      assert.equal(open.pingInterval, 25_000);
      assert.equal(open.pingTimeout, 20_000);
      assert.equal(open.maxPayload, 1_000_000);
      assert.deepEqual(open.upgrades, ON_SPIN ? [] : ["websocket"]);
    });

    it("does not tell one session's secret id to others", async () => {
      const a = await sockets.connect(ada);
      assert.notEqual(a.socket.id, a.socket.io.engine.id);
    });
  });
}
