/**
 * Chatting with the official JavaScript client over each transport: delivery, order, acks, refusals,
 * catching up, and the ends of sessions.
 */

import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { Client } from "./client.mjs";
import { host as hostUnderTest } from "./host.mjs";
import { connect, groupChat, PASSWORD, profileExists, signUp } from "./people.mjs";
import { Proxy } from "./proxy.mjs";
import { Sockets, TRANSPORTS } from "./sockets.mjs";

const NO_ONE = "0123456789abcdef01234567";

describe("Socket.IO", { timeout: 300_000 }, () => {
  let host;
  let sockets;
  let ada;
  let ben;
  let cleo;
  let eve;
  let direct;

  before(async () => {
    host = await hostUnderTest();
    sockets = new Sockets(host.url);
    [ada, ben, cleo, eve] = await Promise.all(
      ["Ada", "Ben", "Cleo", "Eve"].map((firstName) => signUp(host.url, { firstName })),
    );
    await Promise.all([ada, ben, cleo, eve].map(profileExists));
    direct = (await connect(ada, ben))._id;
    await connect(ada, cleo);
  });
  after(() => host?.close());
  afterEach(() => sockets.closeAll());

  for (const [name, transports] of Object.entries(TRANSPORTS)) {
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

      it("keeps the order of 200 messages, live and stored", async () => {
        const group = (await groupChat(ada, [ben, cleo]))._id;
        const [a, b] = await Promise.all([ada, ben].map((user) => sockets.connect(user, { transports })));
        await Promise.all([a.join(group), b.join(group)]);
        const sent = Array.from({ length: 200 }, (_, n) => `message ${n}`);
        const stored = await Promise.all(sent.map((text) => a.send(group, text)));
        assert.deepEqual(
          stored.map(({ text }) => text),
          sent,
        );
        assert.deepEqual(
          stored.map(({ seq }) => seq),
          sent.map((_, n) => n + 1),
        );
        await b.until(() => b.messages.length >= 200, "200 messages");
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

  it("moves up from polling to WebSocket", async () => {
    const a = await sockets.connect(ada);
    await a.until(() => a.socket.io.engine.transport.name === "websocket", "the upgrade");
    await a.join(direct);
    await a.send(direct, "after the upgrade");
    await a.until(() => a.texts().includes("after the upgrade"), "the message");
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

  describe("connecting is refused", () => {
    const cases = [
      ["without cookies", null, "Unauthorized - No cookies"],
      ["without a token", "other=1", "Unauthorized - No token"],
      ["with an empty token", "token=", "Unauthorized - No token"],
      ["with a token that is none", "token=nonsense", "Unauthorized - Invalid or expired token"],
    ];
    for (const [name, cookie, message] of cases) {
      for (const transports of [["polling"], ["websocket"]]) {
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
      await assert.rejects(sockets.connect(ada, { transports: ["websocket"], extraHeaders: headers }));
    });
    it("not to the host's own page, whatever its name", async () => {
      const { origin } = new URL(host.url);
      const a = await sockets.connect(ada, { transports: ["websocket"], extraHeaders: { cookie: ada.cookie, origin } });
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

  describe("catching up", () => {
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
      const network = new Proxy(host.url);
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
      const client = new Client(host.url);
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
      const user = await signUp(host.url);
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

  describe("Engine.IO", () => {
    const poll = (query, options) => new Client(host.url).request("GET", `/chat/socket.io/?${query}`, options);
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
      assert.deepEqual(open.upgrades, ["websocket"]);
    });
    it("does not tell one session's secret id to others", async () => {
      const a = await sockets.connect(ada);
      assert.notEqual(a.socket.id, a.socket.io.engine.id);
    });
  });
});
