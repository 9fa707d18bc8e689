/** Events that can't be handled: they end where an operator sees them, and can be tried again or dropped. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { eventually } from "../client.mjs";
import * as original from "../original.mjs";
import { signUp } from "../people.mjs";
import { appliedOnce } from "./outcome.mjs";

/** @param {{backends: import("../backends.mjs").Backends, host: import("../host.mjs").Host}} stage */
export function deadLetters(stage) {
  describe("dead letters", () => {
    /** @returns {Promise<any[]>} what `pingtalk events list --json` prints */
    async function list() {
      const { code, stdout, stderr } = await stage.host.command("events", "list", "--json");
      assert.equal(code, 0, stderr);
      return JSON.parse(stdout).flatMap(({ queue, dead }) => dead.map((letter) => ({ queue, ...letter })));
    }

    async function command(...words) {
      const { code, stdout, stderr } = await stage.host.command("events", ...words);
      assert.equal(code, 0, `${words}: ${stdout}${stderr}`);
    }

    const publish = async (topic, bytes) => {
      const channel = await stage.backends.rabbitmq.createConfirmChannel();
      channel.publish(original.EXCHANGE, topic, Buffer.from(bytes), { persistent: true });
      await channel.waitForConfirms();
      await channel.close();
    };

    const listed = (count) =>
      eventually(async () => {
        const letters = await list();
        assert.equal(letters.length, count, JSON.stringify(letters));
        return letters;
      }, 30_000);

    it("hold a malformed event, once for each queue, and don't stop those after it", async () => {
      await publish("auth.user.created", '{"userId":');
      const user = await signUp(stage.host.url);
      await appliedOnce(stage.backends, { users: [user] });
      const letters = await listed(2);
      assert.deepEqual(letters.map(({ queue }) => queue).sort(), [
        "profile.auth.user.created",
        "request.auth.user.created",
      ]);
      for (const { topic, id, reason, attempts } of letters) {
        assert.equal(topic, "auth.user.created");
        assert.ok(typeof id === "string" && id.length > 0);
        assert.ok(typeof reason === "string" && reason.length > 0);
        assert.ok(attempts >= 1);
      }
      const { stdout } = await stage.host.command("events", "list");
      for (const { queue, id } of letters) {
        assert.ok(
          stdout.split("\n").some((line) => line.includes(queue) && line.includes(id)),
          stdout,
        );
      }
    });

    it("are dropped when the operator says so", async () => {
      const [letter, other] = await list();
      await command("discard", letter.queue, letter.id);
      const [left, ...more] = await listed(1);
      assert.deepEqual(more, []);
      assert.deepEqual([left.queue, left.id], [other.queue, other.id]);
      const again = await stage.host.command("events", "discard", letter.queue, letter.id);
      assert.notEqual(again.code, 0, "there is none of this id any more");
      await command("discard", other.queue, other.id);
      await listed(0);
    });

    it("come back if nothing has changed, and are handled when the cause is gone", async () => {
      const { backends } = stage;
      const users = backends.collection("requestDB.users");
      const [holder, user] = [original.account(), original.account()];
      user.emailId = holder.emailId;
      await users.insertOne(original.directoryEntry(holder));
      await publish("auth.user.created", JSON.stringify(original.userCreated(user)));
      const [letter] = await listed(1);
      assert.equal(letter.queue, "request.auth.user.created");
      assert.match(letter.reason, /address/);

      await command("replay", letter.queue, letter.id);
      const [again] = await listed(1);
      assert.equal(again.id, letter.id, "the same event");

      await users.deleteOne({ userId: holder._id });
      await command("replay", letter.queue, letter.id);
      await appliedOnce(backends, { users: [{ id: user._id.toHexString() }] });
      await listed(0);
    });
  });
}
