/**
 * MongoDB away: 503 and when to come again, in time, and all is well afterwards without a restart. A
 * write whose reply was lost is not made twice when it is repeated.
 */

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { Client, eventually } from "../client.mjs";
import { wholeHistory } from "../history.mjs";
import { clientOf, connection, storeUser } from "../original.mjs";
import { newEmail, PASSWORD } from "../people.mjs";
import { Sockets } from "../sockets.mjs";
import { appliedOnce } from "./outcome.mjs";

/** A call's wall time is 30 s; then it is answered in any case. */
const DEADLINE = 32_000;
const RECOVERY = 30_000;

/** @param {{backends: import("../backends.mjs").Backends, host: import("../host.mjs").Host}} stage */
export function documents(stage) {
  describe("MongoDB away", () => {
    let ada, ben, chat;
    before(async () => {
      const { backends, host } = stage;
      const [one, other] = [await storeUser(backends, "Ada"), await storeUser(backends, "Ben")];
      await backends.collection("chatDB.connections").insertOne(connection(one, other));
      [ada, ben] = [one, other].map((user) => clientOf(host.url, user));
      const { body } = await ada.post("/chat/create-direct", { receiverId: ben.id });
      chat = body._id;
    });

    const calls = () => [
      () => ada.get("/chat/my-chats"),
      () => ada.get(`/chat/messages/${chat}`),
      () => ada.post("/request/invite/send", { toEmail: ben.email }),
      () => new Client(stage.host.url).post("/auth/login", { emailId: ada.email, password: PASSWORD }),
      () => new Client(stage.host.url).post("/auth/signup", person(newEmail())),
    ];
    const person = (emailId) => ({ firstName: "Eva", lastName: "Hesse", emailId, password: PASSWORD });

    for (const [how, fault, statuses] of [
      ["refusing connections", (network) => network.cut(), [503]],
      ["swallowing everything", (network) => network.hold(), [503, 504]],
    ]) {
      it(`${how}: ${statuses.join(" or ")} in time, and recovery without a restart`, async (test) => {
        const { mongodb } = stage.backends.network;
        fault(mongodb);
        const started = performance.now();
        const answers = await Promise.all(calls().map((call) => call()));
        const seconds = (performance.now() - started) / 1000;
        for (const { status, headers, body, bytes } of answers) {
          assert.ok(statuses.includes(status), `${status} ${bytes}`);
          assert.equal(typeof body.message, "string");
          if (status === 503) {
            assert.ok(Number(headers["retry-after"]) >= 1, "says when to come again");
          }
        }
        assert.ok(seconds * 1000 < DEADLINE, `answered after ${seconds} s`);
        assert.equal((await new Client(stage.host.url).get("/health")).status, 200);

        mongodb.mend();
        const mended = performance.now();
        await eventually(async () => {
          const { status, bytes } = await ada.get("/chat/my-chats");
          assert.equal(status, 200, bytes.toString());
        }, RECOVERY);
        const recovered = (performance.now() - mended) / 1000;
        test.diagnostic(`answered after ${seconds.toFixed(1)} s; recovered in ${recovered.toFixed(1)} s`);
      });
    }

    it("for a reply: a message that is sent again under its id is stored once", async () => {
      const { mongodb } = stage.backends.network;
      const ids = [];
      for (let n = 1; n <= 5; n += 1) {
        const clientMessageId = `ambiguous-${n}`;
        const lost = mongodb.loseReply((bytes) => writes(bytes, "messages"));
        await sendUntilAcked(clientMessageId);
        await lost;
        ids.push(clientMessageId);
      }
      const history = await wholeHistory(ben, chat);
      assert.deepEqual(
        history.map(({ text }) => text),
        ids,
      );
      assert.deepEqual(
        history.map(({ seq }) => seq),
        ids.map((_, n) => n + 1),
      );
    });

    it("for a reply: a sign-up that is repeated makes one account", async () => {
      const { backends, host } = stage;
      const emailId = newEmail();
      const lost = backends.network.mongodb.loseReply((bytes) => writes(bytes, "auths"));
      const first = await new Client(host.url).post("/auth/signup", person(emailId));
      await lost;
      assert.ok([201, 503].includes(first.status), first.bytes.toString());
      await eventually(async () => {
        const { status, body } = await new Client(host.url).post("/auth/signup", person(emailId));
        assert.deepEqual([status, body.message], [404, "Email Already Exists"]);
      });
      const accounts = await backends.collection("authDB.auths").find({ emailId }).toArray();
      assert.equal(accounts.length, 1);
      await appliedOnce(backends, { users: accounts.map(({ _id }) => ({ id: _id.toHexString() })) });
    });

    /** Whether a request in MongoDB's wire protocol writes to a collection. */
    function writes(bytes, collection) {
      const command = ["insert", "update", "findAndModify"].some((name) => bytes.includes(`${name}\0`));
      return command && bytes.includes(`${collection}\0`);
    }

    async function sendUntilAcked(clientMessageId) {
      await eventually(async () => {
        const sockets = new Sockets(stage.host.url);
        try {
          const socket = await sockets.connect(ada, { transports: ["websocket"] });
          await socket.send(chat, clientMessageId, clientMessageId);
        } finally {
          sockets.closeAll();
        }
      }, 60_000);
    }
  });
}
