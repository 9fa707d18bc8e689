/** What ends a membership or a session ends on every socket at once. */

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { Client } from "../client.mjs";
import { NO_ONE } from "../contract/rows.mjs";
import { groupChat, PASSWORD, signUp } from "../people.mjs";

/** @param {import("./stage.mjs").Stage} stage filled before the first test runs */
export function endings(stage) {
  describe("endings", () => {
    let url, sockets, ada, ben, cleo, direct;
    before(() => {
      ({ url, sockets, ada, ben, cleo, direct } = stage);
    });

    describe("whoever is removed from a group", () => {
      it("hears nothing from then on, on any device", async () => {
        const group = (await groupChat(ada, [ben, cleo]))._id;
        const [a, b, b2] = await Promise.all([ada, ben, ben].map((user) => sockets.connect(user)));
        await Promise.all([a, b, b2].map((one) => one.join(group)));
        await a.send(group, "all");
        const { status } = await ada.put("/chat/remove-from-group", { chatId: group, userIdToRemove: ben.id });
        assert.equal(status, 200);
        await a.send(group, "without Ben");
        await a.until(() => a.messages.length >= 2, "both");
        assert.deepEqual(await b.ask("sendMessage", { chatId: group, text: "let me in" }), {
          ok: false,
          error: "Not authorized",
        });
        assert.deepEqual(await b.ask("joinChat", { chatId: group }), { ok: false, error: "Not authorized" });
        assert.deepEqual(b.texts(), ["all"]);
        assert.deepEqual(b2.texts(), ["all"]);
        assert.equal(b.socket.connected, true);
      });
      it("hears nothing after leaving", async () => {
        const group = (await groupChat(ada, [ben, cleo]))._id;
        const [a, c] = await Promise.all([ada, cleo].map((user) => sockets.connect(user)));
        await Promise.all([a.join(group), c.join(group)]);
        await cleo.put("/chat/leave-group", { chatId: group });
        await a.send(group, "gone");
        await a.until(() => a.messages.length > 0, "the message");
        assert.equal((await c.ask("joinChat", { chatId: direct })).ok, false);
        assert.deepEqual(c.messages, []);
      });
    });

    describe("the end of a session closes its sockets", () => {
      const signIn = async (user) => {
        const client = new Client(url);
        const { status } = await client.post("/auth/login", { emailId: user.email, password: PASSWORD });
        assert.equal(status, 200);
        return client;
      };
      it("at logout, that session's only", async () => {
        const [phone, laptop] = [await signIn(cleo), await signIn(cleo)];
        const [a, b] = await Promise.all([phone, laptop].map((client) => sockets.connect(client)));
        const old = { cookie: phone.cookie };
        assert.equal((await phone.post("/auth/logout")).status, 200);
        await a.until(() => a.disconnects.length > 0, "the end of the phone's socket");
        assert.equal(await sockets.refusal(old), "Unauthorized - Invalid or expired token");
        assert.equal((await b.ask("joinChat", { chatId: NO_ONE })).ok, false);
        assert.deepEqual(b.disconnects, []);
      });
      it("at a change of the password, all others", async () => {
        const user = await signUp(url);
        const other = await signIn(user);
        const [a, b] = [await sockets.connect(user), await sockets.connect(other)];
        const { status } = await user.patch("/auth/changePassword", {
          oldPassword: PASSWORD,
          newPassword: "Another-horse-8",
        });
        assert.equal(status, 200);
        await b.until(() => b.disconnects.length > 0, "the end of the other socket");
        assert.equal((await a.ask("joinChat", { chatId: NO_ONE })).ok, false);
        assert.deepEqual(a.disconnects, []);
      });
    });
  });
}
