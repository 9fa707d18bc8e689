/**
 * Redis away, refusing connections, swallowing them, or late: no request fails, they only take longer; and
 * what was changed meanwhile holds when it is back with all the old values in it.
 */

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { ObjectId } from "mongodb";
import { Client, eventually } from "../client.mjs";
import { clientOf, connection, storeUser } from "../original.mjs";
import { invite, PASSWORD, signUp } from "../people.mjs";
import { Sockets } from "../sockets.mjs";

/** How much longer than with Redis a request may take, in milliseconds. */
const SLOWDOWN = 2_000;
/** Later, each way, than the host waits for Redis. */
const LATE = 400;
const RECOVERY = 30_000;
/** How long old values are looked for once Redis is in use again. */
const AFTERWARDS = 3_000;
const NEW_PASSWORD = "Another-horse-8";

/** @param {{backends: import("../backends.mjs").Backends, host: import("../host.mjs").Host}} stage */
export function cache(stage) {
  describe("Redis away", () => {
    /** The slowest request with Redis there. */
    let usual;
    before(async () => {
      const scene = await prepare();
      usual = await work(scene);
    });

    for (const [how, fault] of [
      ["refusing connections", (network) => network.cut()],
      ["swallowing everything", (network) => network.hold()],
      ["answering too late", (network) => network.slow(LATE)],
    ]) {
      it(`${how}: no request fails, and what was changed holds afterwards`, async (test) => {
        const { redis } = stage.backends.network;
        const scene = await prepare();
        fault(redis);
        const slowest = await work(scene);
        await holds(scene);
        redis.mend();
        await backAgain(scene);
        test.diagnostic(`slowest request ${slowest.toFixed(0)} ms; ${usual.toFixed(0)} ms with Redis`);
        assert.ok(slowest <= usual + SLOWDOWN, `a request took ${slowest} ms, ${usual} ms with Redis`);
      });
    }

    /** Somebody whose profile, lists and sessions are all cached. */
    async function prepare() {
      const { backends, host } = stage;
      const ada = await signUp(host.url);
      const [ben, cleo] = [await storeUser(backends, "Ben"), await storeUser(backends, "Cleo")];
      await eventually(async () => assert.equal((await ada.get("/profile/getProfile")).status, 200));
      await backends.collection("chatDB.connections").insertOne(connection({ _id: new ObjectId(ada.id) }, ben));
      const friend = clientOf(host.url, ben);
      const inviter = clientOf(host.url, cleo);
      const { _id } = await invite(inviter, ada);
      const phone = new Client(host.url);
      assert.equal((await phone.post("/auth/login", { emailId: ada.email, password: PASSWORD })).status, 200);
      const tablet = new Client(host.url);
      assert.equal((await tablet.post("/auth/login", { emailId: ada.email, password: PASSWORD })).status, 200);
      for (const session of [phone, tablet]) {
        assert.equal((await session.get("/chat/my-chats")).status, 200);
      }
      await cached(ada, "/profile/getProfile");
      await cached(ada, "/request/invites/received");
      await cached(inviter, "/request/invites/sent");
      return { ada, friend, inviter, requestId: _id, phone, tablet, ended: phone.clone(), other: tablet.clone() };
    }

    /** Everything that reads or changes what is cached; each call must be answered as ever. */
    async function work({ ada, friend, inviter, requestId, phone }) {
      let slowest = 0;
      const answered = async (status, call) => {
        const started = performance.now();
        const answer = await call();
        slowest = Math.max(slowest, performance.now() - started);
        assert.equal(answer.status, status, answer.bytes.toString());
        return answer.body;
      };
      await answered(200, () => ada.get("/profile/getProfile"));
      const edit = { about: "changed meanwhile", age: 40, gender: "female" };
      await answered(200, () => ada.put("/profile/patchProfile", edit));
      await answered(200, () => ada.patch(`/request/respond/${requestId}`, { status: "rejected" }));
      await answered(200, () => inviter.get("/request/invites/sent"));
      const chat = await answered(201, () => ada.post("/chat/create-direct", { receiverId: friend.id }));
      await answered(200, () => phone.post("/auth/logout"));
      const sockets = new Sockets(stage.host.url);
      const [a, b] = [await sockets.connect(ada), await sockets.connect(friend)];
      await b.join(chat._id);
      await a.send(chat._id, "hello");
      await b.until(() => b.messages.length > 0, "the message");
      sockets.closeAll();
      const change = { oldPassword: PASSWORD, newPassword: NEW_PASSWORD };
      await answered(200, () => ada.patch("/auth/changePassword", change));
      const login = { emailId: ada.email, password: NEW_PASSWORD };
      await answered(200, () => new Client(stage.host.url).post("/auth/login", login));
      await answered(201, () => signUpAgain());
      return slowest;
    }

    async function signUpAgain() {
      const user = { firstName: "Eva", lastName: "Hesse", emailId: `eva-${Math.random()}@example.com` };
      return new Client(stage.host.url).post("/auth/signup", { ...user, password: PASSWORD });
    }

    /** What the changes brought about, whatever the cache says. */
    async function holds({ ada, inviter, ended, other }) {
      // Each from an address of its own: this is asked often.
      const { body: profile } = await ada.clone().get("/profile/getProfile");
      assert.equal(profile.data.about, "changed meanwhile");
      for (const [who, side] of [
        [ada, "received"],
        [inviter, "sent"],
      ]) {
        const { body } = await who.clone().get(`/request/invites/${side}`);
        assert.deepEqual(
          body.data.map(({ status }) => status),
          ["rejected"],
          side,
        );
      }
      assert.equal((await ended.get("/chat/my-chats")).status, 401, "logged out");
      assert.equal((await other.get("/chat/my-chats")).status, 401, "ended by the change of the password");
      assert.equal((await ada.get("/chat/my-chats")).status, 200, "the session that changed it");
    }

    /** From the moment Redis is back until it is in use again, and a while longer, nobody sees an old value. */
    async function backAgain(scene) {
      const deadline = Date.now() + RECOVERY;
      // Ben's profile was not changed, so it is cached as soon as anything is.
      while ((await scene.friend.clone().get("/profile/getProfile")).body.source !== "cache") {
        await holds(scene);
        assert.ok(Date.now() < deadline, `Redis is not in use again ${RECOVERY} ms after it is back`);
      }
      const until = Date.now() + AFTERWARDS;
      while (Date.now() < until) {
        await holds(scene);
        await pause(50);
      }
    }

    async function cached(user, path) {
      await eventually(async () => {
        const { body } = await user.clone().get(path);
        assert.equal(body.source, "cache", path);
      });
    }
  });
}
