/**
 * Beside the original's services: either side's events reach the other, either reads the other's
 * documents, and a deployment can go over and back with its data.
 */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { ObjectId } from "mongodb";
import { Client, eventually } from "../client.mjs";
import * as original from "../original.mjs";
import { invite, PASSWORD, profileExists, signUp } from "../people.mjs";
import { virtualHost } from "../servers.mjs";
import { Sockets } from "../sockets.mjs";

const SIGN_UPS = 12;

/** @param {{url: string, backends: import("../backends.mjs").Backends, vhost: string}} target */
export function neighbours(target) {
  describe("neighbours", () => {
    const { backends } = target;
    let channel;

    before(async () => {
      channel = await backends.rabbitmq.createChannel();
    });
    after(() => channel?.close());

    const names = (document) => Object.keys(document).sort();
    const client = (user) => original.clientOf(target.url, user);
    const insert = async (path, document) => {
      await backends.collection(path).insertOne(document);
      return document;
    };

    describe("on the broker", () => {
      it("the queues are used as the original declared them", async () => {
        // Declaring them once more with other arguments than they have would be refused.
        for (const queue of Object.keys(original.QUEUES)) {
          const { consumerCount } = await channel.assertQueue(queue, { durable: true });
          assert.ok(consumerCount >= 1, `nobody consumes from ${queue}`);
        }
      });

      it("a sign-up at the original's auth service makes our profile and directory entry", async () => {
        const user = await insert("authDB.auths", original.account());
        original.publish(channel, "auth.user.created", original.userCreated(user));
        const profile = await profileExists(client(user));
        assert.deepEqual([profile.firstName, profile.lastName], [user.firstName, user.lastName]);
        const inviter = await signUp(target.url);
        const { toUserId } = await invite(inviter, client(user));
        assert.equal(toUserId, user._id.toHexString());
      });

      it("an acceptance at the original's request service connects", async () => {
        const [one, other] = [await original.storeUser(backends), await original.storeUser(backends)];
        const [from, to] = [client(one), client(other)];
        assert.equal((await from.post("/chat/create-direct", { receiverId: to.id })).status, 403);
        original.publish(channel, "request.accepted", original.requestAccepted(from, to));
        await eventually(async () => {
          const { status, body } = await from.post("/chat/create-direct", { receiverId: to.id });
          assert.equal(status, 201, JSON.stringify(body));
        });
      });

      it("the original's profile service takes its share of our sign-ups", async () => {
        const taken = [];
        const service = await original.consume(
          virtualHost(target.vhost),
          "profile.auth.user.created",
          async (event) => {
            const { userId, firstName, lastName } = event;
            await insert("profileDB.profiles", original.profile({ _id: new ObjectId(userId), firstName, lastName }));
            taken.push(userId);
          },
        );
        try {
          const users = [];
          while (users.length < SIGN_UPS) {
            users.push(await signUp(target.url));
          }
          await Promise.all(users.map(profileExists));
          const ids = users.map(({ id }) => id);
          const here = taken.filter((id) => ids.includes(id));
          assert.ok(here.length > 0 && here.length < SIGN_UPS, `the original took ${here.length} of ${SIGN_UPS}`);
          assert.equal(new Set(here).size, here.length, "an event goes to one of the two");
          for (const { id } of users) {
            const count = await backends.collection("profileDB.profiles").countDocuments({ userId: new ObjectId(id) });
            assert.equal(count, 1);
          }
        } finally {
          await service.close();
        }
      });
    });

    describe("in the databases", () => {
      it("the original's users log in, and have their profiles", async () => {
        const user = await original.storeUser(backends, "Otto");
        const guest = new Client(target.url);
        const { status, body } = await guest.post("/auth/login", {
          emailId: user.emailId.toUpperCase(),
          password: PASSWORD,
        });
        assert.equal(status, 200, JSON.stringify(body));
        const answer = await guest.get("/profile/getProfile");
        assert.equal(answer.body.data.firstName, "Otto");
        const token = client(user);
        assert.equal((await token.get("/chat/my-chats")).status, 200, "a token of the original's counts");
      });

      it("the original's requests are listed, answered, and counted as there", async () => {
        const [one, other] = [await original.storeUser(backends), await original.storeUser(backends)];
        const request = await insert("requestDB.requests", original.request(one, other));
        const [from, to] = [client(one), client(other)];
        const again = await to.post("/request/invite/send", { toEmail: from.email });
        assert.equal(again.body.message, "Invite request already exists");
        const { body } = await to.get("/request/invites/received");
        assert.deepEqual(
          body.data.map(({ _id, status }) => [_id, status]),
          [[request._id.toHexString(), "pending"]],
        );
        const { status } = await to.patch(`/request/respond/${request._id}`, { status: "accepted" });
        assert.equal(status, 200);
        await eventually(async () => {
          const answered = await backends.collection("requestDB.requests").findOne({ _id: request._id });
          assert.deepEqual(names(answered), names(request), "no field more than before");
          assert.equal(answered.status, "accepted");
        });
      });

      it("the original's chats and messages are read, and written on", async () => {
        const [one, other] = [await original.storeUser(backends), await original.storeUser(backends)];
        await insert("chatDB.connections", original.connection(one, other));
        const chat = await insert("chatDB.chats", original.directChat(one, other));
        const start = Date.now() - 60_000;
        for (let n = 1; n <= 3; n += 1) {
          await original.storeMessage(backends, chat, one, `theirs ${n}`, new Date(start + n));
        }
        const [from, to] = [client(one), client(other)];
        const found = await from.post("/chat/create-direct", { receiverId: to.id });
        assert.deepEqual([found.status, found.body._id], [200, chat._id.toHexString()], "the chat that is there");
        const { body: mine } = await to.get("/chat/my-chats");
        assert.deepEqual(
          mine.map(({ _id }) => _id),
          [chat._id.toHexString()],
        );

        const texts = async () => {
          const { status, body } = await to.get(`/chat/messages/${chat._id}`);
          assert.equal(status, 200);
          return body.map(({ text, seq }) => [text, seq]);
        };
        assert.deepEqual(
          await texts(),
          [1, 2, 3].map((n) => [`theirs ${n}`, undefined]),
        );

        // Over to us, back to the original, and over again.
        const sockets = new Sockets(target.url);
        const socket = await sockets.connect(from);
        await socket.send(chat._id.toHexString(), "ours");
        await original.storeMessage(backends, chat, other, "in between");
        await socket.send(chat._id.toHexString(), "ours again");
        sockets.closeAll();
        assert.deepEqual((await texts()).slice(3), [
          ["ours", 1],
          ["in between", 2],
          ["ours again", 3],
        ]);

        await eventually(async () => {
          const document = await backends.collection("chatDB.chats").findOne({ _id: chat._id });
          assert.deepEqual(names(document), [...names(chat), "allNumbered", "lastNumbered"].sort());
          assert.equal(document.allNumbered, false);
          const adopted = await backends
            .collection("chatDB.messages")
            .findOne({ text: "in between", chatId: chat._id });
          assert.deepEqual(names(adopted), [...names(original.message(chat, one, "")), "seq"].sort());
        });
      });

      it("what we change of the original's keeps its fields and gets none but the documented", async () => {
        const user = await original.storeUser(backends);
        const own = client(user);
        const edit = { about: "x", age: 30, gender: "other" };
        assert.equal((await own.put("/profile/patchProfile", edit)).status, 200);
        const change = { oldPassword: PASSWORD, newPassword: "Another-horse-8" };
        assert.equal((await own.patch("/auth/changePassword", change)).status, 200);
        await eventually(async () => {
          const profile = await backends.collection("profileDB.profiles").findOne({ userId: user._id });
          assert.deepEqual(names(profile), names({ ...original.profile(user), ...edit }));
          assert.equal(profile.__v, 0);
          const account = await backends.collection("authDB.auths").findOne({ _id: user._id });
          assert.deepEqual(names(account), names({ ...user, sessions: {} }));
          assert.notEqual(account.password, user.password);
        });
      });
    });
  });
}
