/** Who is refused, and with which words; what is malformed does no harm. */

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { NO_ONE } from "../contract/rows.mjs";
import { ON_SPIN } from "../host.mjs";

/** @param {import("./stage.mjs").Stage} stage filled before the first test runs */
export function refusals(stage) {
  describe("refusals", () => {
    let url, sockets, ada, eve, direct;
    before(() => {
      ({ url, sockets, ada, eve, direct } = stage);
    });

    describe("connecting is refused", () => {
      const cases = [
        ["without cookies", null, "Unauthorized - No cookies"],
        ["without a token", "other=1", "Unauthorized - No token"],
        ["with an empty token", "token=", "Unauthorized - No token"],
        ["with a token that is none", "token=nonsense", "Unauthorized - Invalid or expired token"],
      ];
      for (const [name, cookie, message] of cases) {
        for (const transports of ON_SPIN ? [["polling"]] : [["polling"], ["websocket"]]) {
          it(`${name}, over ${transports}`, async () => {
            assert.equal(await sockets.refusal({ cookie }, { transports }), message);
          });
        }
      }
      it("to an unknown namespace", async () => {
        assert.equal(await sockets.refusal(ada, { namespace: "/admin" }), "Invalid namespace");
      });
      it("to a page of another origin", async () => {
        const headers = { cookie: ada.cookie, origin: "https://evil.example" };
        const transports = [ON_SPIN ? "polling" : "websocket"];
        await assert.rejects(sockets.connect(ada, { transports, extraHeaders: headers }));
      });
      it("not to the host's own page, whatever its name", { skip: ON_SPIN }, async () => {
        const { origin } = new URL(url);
        const a = await sockets.connect(ada, {
          transports: ["websocket"],
          extraHeaders: { cookie: ada.cookie, origin },
        });
        await a.join(direct);
      });
    });

    describe("a request is refused", () => {
      const refused = [
        ["joinChat of an unknown chat", "joinChat", () => ({ chatId: NO_ONE }), "Chat not found"],
        ["joinChat by a stranger", "joinChat", () => ({ chatId: direct }), "Not authorized"],
        ["sendMessage to an unknown chat", "sendMessage", () => ({ chatId: NO_ONE, text: "x" }), "Chat not found"],
        ["sendMessage by a stranger", "sendMessage", () => ({ chatId: direct, text: "x" }), "Not authorized"],
      ];
      for (const [name, event, payload, message] of refused) {
        it(`${name}, by an error event`, async () => {
          const [stranger, a] = await Promise.all([eve, ada].map((user) => sockets.connect(user)));
          await a.join(direct);
          stranger.socket.emit(event, payload());
          await stranger.until(() => stranger.errors.length > 0, "the error");
          assert.deepEqual(stranger.errors, [message]);
          assert.deepEqual(await stranger.ask(event, payload()), { ok: false, error: message });
          await a.send(direct, "still here");
          await a.until(() => a.messages.length > 0, "a message");
          assert.deepEqual(a.texts(), ["still here"], "a refused message reaches nobody");
          assert.deepEqual(stranger.messages, []);
          assert.equal(stranger.socket.connected, true, "the connection stays open");
        });
      }

      const shapes = [
        [],
        [null],
        [7],
        ["text"],
        [[]],
        [{}],
        [{ chatId: 7, text: "x" }],
        [{ chatId: { $ne: "" }, text: "x" }],
        [{ chatId: "short", text: "x" }],
        [Buffer.from("binary")],
        [{ chatId: Buffer.from("binary") }],
        [null, null, null],
      ];
      for (const event of ["joinChat", "sendMessage"]) {
        it(`${event} of a wrong shape, without harm`, async () => {
          const a = await sockets.connect(ada);
          for (const values of shapes) {
            const before = a.errors.length;
            a.socket.emit(event, ...values);
            await a.until(() => a.errors.length > before, `an error for ${JSON.stringify(values)}`);
            assert.equal(typeof a.errors.at(-1), "string");
          }
          await a.join(direct);
          assert.deepEqual(a.disconnects, []);
        });
      }

      it("a text of a wrong shape", async () => {
        const a = await sockets.connect(ada);
        for (const text of [7, { $gt: "" }, ["x"], true, "x".repeat(100_000)]) {
          const answer = await a.ask("sendMessage", { chatId: direct, text });
          assert.equal(answer.ok, false, JSON.stringify(text).slice(0, 50));
        }
        const { body } = await ada.get(`/chat/messages/${direct}?limit=1`);
        assert.notEqual(body[0]?.text, "x".repeat(100_000));
      });

      it("an empty text, which is nothing", async () => {
        const a = await sockets.connect(ada);
        await a.join(direct);
        a.socket.emit("sendMessage", { chatId: direct, text: "" });
        assert.equal((await a.ask("sendMessage", { chatId: direct, text: "" })).ok, false);
        await a.send(direct, "something");
        await a.until(() => a.messages.length > 0, "a message");
        assert.deepEqual(a.texts(), ["something"]);
      });

      it("an unknown event is no reason to hang up", async () => {
        const a = await sockets.connect(ada);
        a.socket.emit("noSuchEvent", { x: 1 });
        a.socket.emit("receiveMessage", { chatId: direct, text: "forged" });
        await a.join(direct);
        assert.deepEqual(a.messages, []);
        assert.deepEqual(a.disconnects, []);
      });
    });
  });
}
