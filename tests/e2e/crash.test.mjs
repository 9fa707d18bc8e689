/**
 * `kill -9` in the middle of the work, again and again. What was acknowledged is there afterwards,
 * once and in order; what follows from it by events happens, once.
 */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Client, eventually } from "./client.mjs";
import { wholeHistory } from "./history.mjs";
import { BINARY, startHost } from "./host.mjs";
import { connect, groupChat, invite, newEmail, PASSWORD, profileExists, signUp } from "./people.mjs";
import { Sockets } from "./sockets.mjs";

const KILLS = 5;
const MESSAGES = 1000;
/** Messages on their way at once. */
const WINDOW = 8;

describe("kill -9", { skip: BINARY ? false : "needs PINGTALK_BIN", timeout: 600_000 }, () => {
  let host;
  let ada;
  let ben;
  let group;

  before(async () => {
    host = await startHost();
    ada = await signUp(host.url);
    ben = await signUp(host.url);
    const cleo = await signUp(host.url);
    await Promise.all([ada, ben, cleo].map(profileExists));
    await connect(ada, ben);
    await connect(ada, cleo);
    group = (await groupChat(ada, [ben, cleo]))._id;
  });
  after(() => host?.close());

  it(`loses none of ${MESSAGES} acknowledged messages in ${KILLS} kills, and doubles none`, async () => {
    /** What was acknowledged: the message by its client's id. @type {Map<string, any>} */
    const acked = new Map();
    let unanswered = 0;
    const pending = Array.from({ length: MESSAGES }, (_, n) => `message-${n}`);

    /** Sends until all are acknowledged or the connection breaks. */
    async function sendOver(sender) {
      const sendSome = async () => {
        for (let id = pending.shift(); id !== undefined; id = pending.shift()) {
          try {
            const answer = await sender.socket
              .timeout(10_000)
              .emitWithAck("sendMessage", { chatId: group, text: id, clientMessageId: id });
            assert.equal(answer.ok, true, JSON.stringify(answer));
            acked.set(id, answer.message);
          } catch (error) {
            if (error.code === "ERR_ASSERTION") {
              throw error;
            }
            // Not answered: it may be stored or not, so it is sent again under the same id.
            unanswered += 1;
            pending.unshift(id);
            return;
          }
        }
      };
      await Promise.all(Array.from({ length: WINDOW }, sendSome));
    }

    for (let kill = 1; kill <= KILLS; kill += 1) {
      const sockets = new Sockets(host.url);
      const sender = await sockets.connect(ada, { transports: ["websocket"] });
      const enough = Math.floor((MESSAGES * kill) / (KILLS + 1));
      const sending = sendOver(sender);
      await sender.until(() => acked.size >= enough, `${enough} acks`, 60_000);
      await host.kill();
      await sending;
      sockets.closeAll();
      await host.start();
    }
    const sockets = new Sockets(host.url);
    const sender = await sockets.connect(ada, { transports: ["websocket"] });
    await sendOver(sender);
    sockets.closeAll();
    assert.equal(acked.size, MESSAGES);
    assert.ok(unanswered > 0, "no kill hit a message on its way");

    const stored = await wholeHistory(ben, group);
    assert.deepEqual(
      stored.map(({ seq }) => seq),
      stored.map((_, n) => n + 1),
      "numbered without gap, in order",
    );
    const byId = new Map(stored.map((message) => [message.text, message]));
    assert.equal(stored.length, byId.size, "none is there twice");
    assert.equal(stored.length, MESSAGES);
    for (const [id, message] of acked) {
      assert.equal(byId.get(id)?._id, message._id, `${id} is the message that was acknowledged`);
      assert.equal(byId.get(id)?.seq, message.seq, id);
    }
  });

  it("keeps one sender's order over kills", async () => {
    const direct = (await connectNew())._id;
    let next = 0;
    for (let kill = 0; kill < 3; kill += 1) {
      const sockets = new Sockets(host.url);
      const sender = await sockets.connect(ada, { transports: ["websocket"] });
      const until = next + 20;
      // One after the other, as a client with an outbox sends.
      while (next < until) {
        const answer = await sender.ask("sendMessage", {
          chatId: direct,
          text: `${next}`,
          clientMessageId: `in-order-${next}`,
        });
        assert.equal(answer.ok, true);
        next += 1;
      }
      sender.socket.emit("sendMessage", { chatId: direct, text: `${next}`, clientMessageId: `in-order-${next}` });
      await host.kill();
      sockets.closeAll();
      await host.start();
    }
    const sockets = new Sockets(host.url);
    const sender = await sockets.connect(ada);
    await sender.send(direct, `${next}`, `in-order-${next}`);
    sockets.closeAll();
    const stored = await wholeHistory(ada, direct);
    assert.deepEqual(
      stored.map(({ text }) => Number(text)),
      Array.from({ length: next + 1 }, (_, n) => n),
    );
  });

  async function connectNew() {
    const friend = await signUp(host.url);
    await profileExists(friend);
    return connect(ada, friend);
  }

  it("delivers the event of every sign-up that was answered", async () => {
    const signedUp = [];
    for (let kill = 0; kill < 3; kill += 1) {
      const batch = Array.from({ length: 6 }, async () => {
        const client = new Client(host.url);
        const emailId = newEmail();
        try {
          const { status, body } = await client.post("/auth/signup", {
            firstName: "Dora",
            lastName: "Maar",
            emailId,
            password: PASSWORD,
          });
          if (status === 201) {
            signedUp.push(Object.assign(client, { id: body.data._id, email: emailId }));
          }
        } catch {
          // Killed before it answered.
        }
      });
      await Promise.race([Promise.all(batch), untilLength(signedUp, kill * 3 + 2)]);
      await host.kill();
      await Promise.all(batch);
      await host.start();
    }
    assert.ok(signedUp.length >= 6, `${signedUp.length} sign-ups were answered`);
    for (const user of signedUp) {
      const profile = await profileExists(user);
      assert.equal(profile.userId, user.id);
      await invite(ada, user); // The request service knows them, too.
    }
  });

  it("delivers the event of every acceptance that was answered", async () => {
    const accepted = [];
    for (let kill = 0; kill < 3; kill += 1) {
      const friends = await Promise.all(Array.from({ length: 3 }, () => signUp(host.url)));
      await Promise.all(friends.map(profileExists));
      const invites = await Promise.all(friends.map((friend) => invite(ada, friend)));
      const batch = friends.map(async (friend, n) => {
        try {
          const { status } = await friend.patch(`/request/respond/${invites[n]._id}`, { status: "accepted" });
          if (status === 200) {
            accepted.push(friend);
          }
        } catch {
          // Killed before it answered.
        }
      });
      await Promise.race(batch);
      await host.kill();
      await Promise.all(batch);
      await host.start();
    }
    assert.ok(accepted.length >= 3, `${accepted.length} acceptances were answered`);
    for (const friend of accepted) {
      await eventually(async () => {
        const { status, bytes } = await friend.post("/chat/create-direct", { receiverId: ada.id });
        assert.ok(status === 201 || status === 200, bytes.toString());
      });
    }
  });

  it("drains at SIGTERM: exit code 0, and clients come back by themselves", async () => {
    const sockets = new Sockets(host.url);
    const client = await sockets.connect(ada, {
      reconnection: true,
      reconnectionDelay: 100,
      reconnectionDelayMax: 300,
    });
    const stored = await client.send(group, "before the drain");
    const code = await host.stop();
    assert.equal(code, 0);
    await client.until(() => client.disconnects.length > 0, "the end of the socket");
    assert.notEqual(client.disconnects[0], "io server disconnect", "a reason on which clients reconnect");
    await host.start();
    await client.until(() => client.socket.connected, "the reconnect");
    const { lastSequence } = await client.join(group);
    assert.equal(lastSequence, stored.seq);
    sockets.closeAll();
  });
});

async function untilLength(list, length) {
  const deadline = Date.now() + 10_000;
  while (list.length < length && Date.now() < deadline) {
    await pause(5);
  }
}
