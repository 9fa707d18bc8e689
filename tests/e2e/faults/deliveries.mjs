/** Deliveries that come twice, and in another order than they were published. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ObjectId } from "mongodb";
import { eventually } from "../client.mjs";
import * as original from "../original.mjs";
import { signUp } from "../people.mjs";
import { invitedPairs } from "./invited.mjs";
import { appliedOnce } from "./outcome.mjs";

const COLLECTIONS = ["profileDB.profiles", "requestDB.users", "requestDB.requests", "chatDB.connections"];

/** @param {{backends: import("../backends.mjs").Backends, host: import("../host.mjs").Host}} stage */
export function deliveries(stage) {
  describe("deliveries", () => {
    /** Everything that events have a part in, once the host has cleared away its own marks. */
    async function state() {
      return eventually(async () => {
        const all = {};
        for (const path of COLLECTIONS) {
          const documents = await stage.backends.collection(path).find().sort({ _id: 1 }).toArray();
          for (const name of documents.flatMap(Object.keys)) {
            assert.ok(["_id", "__v"].includes(name) || !name.startsWith("_"), `${path} has ${name}`);
          }
          all[path] = documents;
        }
        return all;
      });
    }

    it("again, backwards and twice over: the state stays as it was", async () => {
      const { backends, host } = stage;
      const heard = await original.overhear(backends.rabbitmq);
      const users = await Promise.all(Array.from({ length: 6 }, () => signUp(host.url)));
      const pairs = await invitedPairs(backends, host.url, 3);
      await Promise.all(pairs.map(({ accept }) => accept()));
      const expected = { users, pairs: pairs.map(({ from, to }) => [from, to]) };
      await appliedOnce(backends, expected);
      const count = users.length + pairs.length;
      await eventually(async () => assert.ok(heard.messages.length >= count, `${heard.messages.length} events heard`));
      const captured = [...heard.messages];
      await heard.close();
      const before = await state();

      const channel = await backends.rabbitmq.createConfirmChannel();
      for (const message of [...captured.reverse(), ...captured]) {
        channel.publish(original.EXCHANGE, message.fields.routingKey, message.content, message.properties);
        // The same once more without id, as if the original had published it.
        original.publish(channel, message.fields.routingKey, JSON.parse(message.content));
      }
      await channel.waitForConfirms();
      await drained(channel);
      await channel.close();
      assert.deepEqual(await state(), before);
    });

    it("out of their order: an acceptance before the sign-ups it follows from", async () => {
      const { backends } = stage;
      const channel = await backends.rabbitmq.createConfirmChannel();
      const [one, other] = [original.account(), original.account()];
      const ids = [one, other].map(({ _id }) => ({ id: _id.toHexString() }));
      original.publish(channel, "request.accepted", original.requestAccepted(...ids));
      original.publish(channel, "auth.user.created", original.userCreated(other));
      original.publish(channel, "auth.user.created", original.userCreated(one));
      await channel.waitForConfirms();
      await channel.close();
      await appliedOnce(backends, { users: ids, pairs: [ids] });
    });

    /** Waits until all that was published has been handled: a queue keeps the order of its events. */
    async function drained(channel) {
      const last = [original.account(), original.account()];
      const ids = last.map(({ _id }) => ({ id: _id.toHexString() }));
      last.forEach((user) => original.publish(channel, "auth.user.created", original.userCreated(user)));
      original.publish(channel, "request.accepted", original.requestAccepted(...ids));
      await channel.waitForConfirms();
      await appliedOnce(stage.backends, { users: ids, pairs: [ids] });
      for (const queue of Object.keys(original.QUEUES)) {
        await eventually(async () => assert.equal((await channel.checkQueue(queue)).messageCount, 0, queue));
      }
      await forget(ids);
    }

    /** Takes the markers away again. */
    async function forget(ids) {
      const users = ids.map(({ id }) => new ObjectId(id));
      await stage.backends.collection("profileDB.profiles").deleteMany({ userId: { $in: users } });
      await stage.backends.collection("requestDB.users").deleteMany({ userId: { $in: users } });
      await stage.backends.collection("chatDB.connections").deleteMany({ user1: { $in: users } });
    }
  });
}
