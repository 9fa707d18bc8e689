/** Delivery over each transport: to whom, in which order, and once. */

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { ON_SPIN } from "../host.mjs";
import { groupChat } from "../people.mjs";
import { TRANSPORTS } from "../sockets.mjs";

/**
 * @param {import("./stage.mjs").Stage} stage filled before the first test runs
 * @param {{burst: number}} options
 */
export function delivery(stage, { burst }) {
  describe("delivery", () => {
    let sockets, ada, ben, cleo, direct;
    before(() => {
      ({ sockets, ada, ben, cleo, direct } = stage);
    });

    for (const [name, transports] of Object.entries(TRANSPORTS)) {
      if (ON_SPIN && name === "websocket") {
        continue;
      }
      describe(`over ${name}`, () => {
        it("delivers to everyone who joined, the sender included, once each", async () => {
          const group = (await groupChat(ada, [ben, cleo]))._id;
          const [a, b, b2, c] = await Promise.all(
            [ada, ben, ben, cleo].map((user) => sockets.connect(user, { transports })),
          );
          await Promise.all([a, b, b2].map((one) => one.join(group)));
          const stored = await a.send(group, "  hello\n");
          await b.send(group, "hi");
          for (const one of [a, b, b2]) {
            await one.until(() => one.messages.length >= 2, "both messages");
            assert.deepEqual(one.texts(), ["  hello\n", "hi"]);
          }
          assert.deepEqual(a.messages[0], stored);
          assert.equal(stored.senderId, ada.id);
          assert.equal(stored.chatId, group);
          assert.deepEqual(stored.readBy, [ada.id]);
          assert.match(stored._id, /^[0-9a-f]{24}$/);
          assert.deepEqual(c.messages, [], "who didn't join hears nothing");
          const { body } = await cleo.get(`/chat/messages/${group}`);
          assert.deepEqual(
            body.map(({ text }) => text),
            ["  hello\n", "hi"],
          );
        });

        it(`keeps the order of ${burst} messages, live and stored`, async () => {
          const group = (await groupChat(ada, [ben, cleo]))._id;
          const [a, b] = await Promise.all([ada, ben].map((user) => sockets.connect(user, { transports })));
          await Promise.all([a.join(group), b.join(group)]);
          const sent = Array.from({ length: burst }, (_, n) => `message ${n}`);
          const stored = await Promise.all(sent.map((text) => a.send(group, text)));
          assert.deepEqual(
            stored.map(({ text }) => text),
            sent,
          );
          assert.deepEqual(
            stored.map(({ seq }) => seq),
            sent.map((_, n) => n + 1),
          );
          await b.until(() => b.messages.length >= burst, `${burst} messages`);
          assert.deepEqual(b.texts(), sent);
          const { body } = await ben.get(`/chat/messages/${group}`);
          assert.deepEqual(
            body.map(({ text }) => text),
            sent,
          );
        });

        it("delivers a file that was sent over HTTP", async () => {
          const a = await sockets.connect(ben, { transports });
          await a.join(direct);
          const form = new FormData();
          form.append("chatId", direct);
          form.append("text", "a file");
          form.append("file", new Blob(["content"], { type: "text/plain" }), "a.txt");
          const { body } = await ada.request("POST", "/chat/send-file", { form });
          await a.until(() => a.messages.length > 0, "the file");
          assert.deepEqual(a.messages, [body]);
          assert.equal(Buffer.from(a.messages[0].file.data, "base64").toString(), "content");
        });

        it("carries long texts", async () => {
          const [a, b] = await Promise.all([ada, ben].map((user) => sockets.connect(user, { transports })));
          await b.join(direct);
          const text = "ä🙂".repeat(8_000);
          await a.send(direct, text);
          await b.until(() => b.messages.length > 0, "the text");
          assert.equal(b.messages[0].text, text);
        });
      });
    }

    it("moves up from polling to WebSocket", { skip: ON_SPIN }, async () => {
      const a = await sockets.connect(ada);
      await a.until(() => a.socket.io.engine.transport.name === "websocket", "the upgrade");
      await a.join(direct);
      await a.send(direct, "after the upgrade");
      await a.until(() => a.texts().includes("after the upgrade"), "the message");
    });

    it("stays with polling where there is nothing else", { skip: !ON_SPIN }, async () => {
      const a = await sockets.connect(ada);
      await a.join(direct);
      await a.send(direct, "over polling");
      await a.until(() => a.texts().includes("over polling"), "the message");
      assert.equal(a.socket.io.engine.transport.name, "polling");
    });

    it("works under the paths and namespaces that clients use", async () => {
      for (const options of [
        { namespace: "/chat" },
        { namespace: "/chat/" },
        { path: "/chat/socket.io/" },
        { path: "/socket.io" },
        { namespace: "/chat/", path: "/socket.io/" },
      ]) {
        const a = await sockets.connect(ada, options);
        await a.join(direct);
        const text = JSON.stringify(options);
        await a.send(direct, text);
        await a.until(() => a.texts().includes(text), text);
        a.close();
      }
    });

    it("hands one user's two namespaces one message each", async () => {
      const [a, b] = [await sockets.connect(ben), await sockets.connect(ben, { namespace: "/chat/" })];
      await Promise.all([a.join(direct), b.join(direct)]);
      const sender = await sockets.connect(ada);
      await sender.send(direct, "both");
      for (const one of [a, b]) {
        await one.until(() => one.messages.length > 0, "the message");
        assert.deepEqual(one.texts(), ["both"]);
      }
    });

    it("a resent message is stored and delivered once", async () => {
      const [a, b] = await Promise.all([ada, ben].map((user) => sockets.connect(user)));
      await b.join(direct);
      const id = `resend-${Math.random()}`;
      const first = await a.send(direct, "only once", id);
      assert.equal(first.clientMessageId, id);
      const again = await Promise.all([a.send(direct, "only once", id), a.send(direct, "only once", id)]);
      again.forEach((message) => assert.equal(message._id, first._id));
      const other = await sockets.connect(ada);
      assert.equal((await other.send(direct, "only once", id))._id, first._id);
      const theirs = await b.send(direct, "another user's id is another", id);
      assert.notEqual(theirs._id, first._id);
      await b.until(() => b.messages.length >= 2, "two messages");
      assert.deepEqual(b.texts(), ["only once", "another user's id is another"]);
    });
  });
}
