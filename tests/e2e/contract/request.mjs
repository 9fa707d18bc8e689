/** Invites: sending, answering, listing, cancelling. */

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { eventually } from "../client.mjs";
import { invite, newEmail, profileExists, signUp } from "../people.mjs";
import { expectAnswer, expectDocument, NO_ONE, rows, SOME_MESSAGE } from "./rows.mjs";

/** @param {{url: string}} target */
export function request(target) {
  describe("request", () => {
    let ada;
    let ben;
    let eve;
    before(async () => {
      [ada, ben, eve] = await Promise.all(["Ada", "Ben", "Eve"].map((firstName) => signUp(target.url, { firstName })));
      await Promise.all([ada, ben, eve].map(profileExists));
    });
    const send = (from, toEmail) => from.clone().post("/request/invite/send", { toEmail });
    const respond = (user, id, status) => user.clone().patch(`/request/respond/${id}`, { status });
    const list = async (user, which) =>
      expectAnswer(await user.clone().get(`/request/invites/${which}`), 200, () => {});
    const newPair = async () => {
      const pair = await Promise.all([signUp(target.url), signUp(target.url)]);
      await Promise.all(pair.map(profileExists));
      return pair;
    };

    describe("POST /request/invite/send", () => {
      rows([
        ["asks for an address", () => ada.clone().post("/request/invite/send", {}), 400, "toEmail is required"],
        ["asks for one that isn't empty", () => send(ada, ""), 400, "toEmail is required"],
        ["knows nobody else", () => send(ada, newEmail()), 404, "User not found!"],
        ["refuses oneself", () => send(ada, ada.email), 400, "You cannot send request to yourself"],
        ["refuses an object", () => send(ada, { $gt: "" }), 400, SOME_MESSAGE],
        ["refuses a list", () => send(ada, [ben.email]), 400, SOME_MESSAGE],
      ]);
      it("sends, the address trimmed and in any case", async () => {
        const { data, message } = expectAnswer(
          await eventually(async () => {
            const answer = await send(ada, `  ${ben.email.toUpperCase()} `);
            assert.equal(answer.status, 201, answer.bytes.toString());
            return answer;
          }),
          201,
          () => {},
        );
        assert.equal(message, "Invite sent successfully");
        expectDocument(data);
        assert.equal(data.fromUserId, ada.id);
        assert.equal(data.toUserId, ben.id);
        assert.equal(data.status, "pending");
        assert.equal(data.message, "Hi! Let's connect on chat.");
        assert.equal(data.inviteSent, false);
        assert.equal(data.emailSent, false);
        assert.equal(data.pair, undefined, "internal fields stay inside");
        expectAnswer(await send(ada, ben.email), 400, "Invite request already exists");
        expectAnswer(await send(ben, ada.email), 400, "Invite request already exists");
      });
      it("makes one request of two that cross", async () => {
        const [one, other] = await newPair();
        const answers = await Promise.all([
          send(one, other.email),
          send(other, one.email),
          send(one, other.email),
          send(other, one.email),
        ]);
        assert.equal(answers.filter(({ status }) => status === 201).length, 1);
        for (const answer of answers.filter(({ status }) => status !== 201)) {
          expectAnswer(answer, 400, "Invite request already exists");
        }
        const [sent, received] = [await list(one, "sent"), await list(one, "received")];
        assert.equal(sent.count + received.count, 1);
      });
      it("may be sent again after a rejection, from either side", async () => {
        for (const back of [false, true]) {
          const [one, other] = await newPair();
          const { _id } = await invite(one, other);
          expectAnswer(await respond(other, _id, "rejected"), 200, () => {});
          const again = back ? await send(other, one.email) : await send(one, other.email);
          assert.equal(expectAnswer(again, 201, () => {}).data.status, "pending");
        }
      });
    });

    describe("PATCH /request/respond/:requestId", () => {
      let pending;
      before(async () => {
        pending = await invite(eve, ben);
      });
      rows([
        ["asks for a status", () => respond(ben, pending._id, undefined), 400, "status is required"],
        [
          "asks for one of two",
          () => respond(ben, pending._id, "maybe"),
          400,
          "status must be 'accepted' or 'rejected'",
        ],
        ["refuses an object", () => respond(ben, pending._id, { $ne: "" }), 400, SOME_MESSAGE],
        [
          "knows no other request",
          () => respond(ben, NO_ONE, "accepted"),
          404,
          "Request not found or already responded",
        ],
        ["refuses what is no id", () => respond(ben, "one", "accepted"), 400, SOME_MESSAGE],
        [
          "is not for the sender",
          () => respond(eve, pending._id, "accepted"),
          404,
          "Request not found or already responded",
        ],
        [
          "is not for others",
          () => respond(ada, pending._id, "accepted"),
          404,
          "Request not found or already responded",
        ],
        [
          "accepts",
          () => respond(ben, pending._id, "accepted"),
          200,
          (body) => {
            assert.equal(body.message, "Request accepted successfully");
            assert.equal(body.data.status, "accepted");
            assert.equal(body.data._id, pending._id);
          },
        ],
        ["answers once", () => respond(ben, pending._id, "rejected"), 404, "Request not found or already responded"],
        ["leaves no second invite", () => send(ben, eve.email), 400, "Invite request already exists"],
      ]);
      it("rejects", async () => {
        const [one, other] = await newPair();
        const { _id } = await invite(one, other);
        const body = expectAnswer(await respond(other, _id, "rejected"), 200, () => {});
        assert.equal(body.message, "Request rejected successfully");
        assert.equal(body.data.status, "rejected");
      });
      it("takes one of several answers at once", async () => {
        const [one, other] = await newPair();
        const { _id } = await invite(one, other);
        const answers = await Promise.all(
          Array.from({ length: 6 }, (_, n) => respond(other, _id, n % 2 ? "accepted" : "rejected")),
        );
        assert.equal(answers.filter(({ status }) => status === 200).length, 1);
        const [winner] = answers.filter(({ status }) => status === 200);
        const { data } = await list(one, "sent");
        assert.equal(data[0].status, winner.body.data.status);
      });
    });

    describe("GET /request/invites", () => {
      it("lists newest first, answered ones too, and never an old list", async () => {
        const others = [];
        const [one] = await newPair();
        for (let n = 0; n < 3; n += 1) {
          const [other] = await newPair();
          const { _id } = await invite(other, one);
          others.unshift({ id: other.id, request: _id });
          const { data, count, message, source } = await list(one, "received");
          assert.equal(message, "Received requests retrieved successfully");
          assert.match(source, /^(cache|database)$/);
          assert.equal(count, n + 1);
          assert.deepEqual(
            data.map(({ fromUserId }) => fromUserId),
            others.map(({ id }) => id),
          );
        }
        assert.equal((await list(one, "received")).source, "cache");
        expectAnswer(await respond(one, others[1].request, "rejected"), 200, () => {});
        assert.deepEqual(
          (await list(one, "received")).data.map(({ status }) => status),
          ["pending", "rejected", "pending"],
        );
      });
      it("gives a cached list in the same shape", async () => {
        const [one, other] = await newPair();
        await invite(one, other);
        for (const which of ["sent", "received"]) {
          const user = which === "sent" ? one : other;
          const [{ source: _, ...fresh }, { source, ...cached }] = [await list(user, which), await list(user, which)];
          assert.equal(source, "cache");
          assert.deepEqual(cached, fresh);
          expectDocument(cached.data[0]);
          assert.equal(cached.message, `${which === "sent" ? "Sent" : "Received"} requests retrieved successfully`);
        }
      });
      it("is empty for a newcomer", async () => {
        const [one] = await newPair();
        const { source: _, ...body } = await list(one, "sent");
        assert.deepEqual(body, { message: "Sent requests retrieved successfully", data: [], count: 0 });
      });
    });

    describe("DELETE /request/cancel/:requestId", () => {
      let pending;
      before(async () => {
        pending = await invite(ada, eve);
      });
      const cancel = (user, id) => () => user().clone().delete(`/request/cancel/${id()}`);
      rows([
        [
          "knows no other request",
          cancel(
            () => ada,
            () => NO_ONE,
          ),
          404,
          "Request not found",
        ],
        [
          "refuses what is no id",
          cancel(
            () => ada,
            () => "one",
          ),
          400,
          SOME_MESSAGE,
        ],
        [
          "is not for the recipient",
          cancel(
            () => eve,
            () => pending._id,
          ),
          403,
          "You are not allowed to cancel this request",
        ],
        [
          "is not for others",
          cancel(
            () => ben,
            () => pending._id,
          ),
          403,
          "You are not allowed to cancel this request",
        ],
        [
          "cancels",
          cancel(
            () => ada,
            () => pending._id,
          ),
          200,
          "Request cancelled successfully",
        ],
        [
          "cancels once",
          cancel(
            () => ada,
            () => pending._id,
          ),
          404,
          "Request not found",
        ],
        ["makes room for another", () => send(ada, eve.email), 201, () => {}],
      ]);
      it("takes pending ones only", async () => {
        const [one, other] = await newPair();
        const { _id } = await invite(one, other);
        expectAnswer(await respond(other, _id, "accepted"), 200, () => {});
        expectAnswer(await one.delete(`/request/cancel/${_id}`), 400, "Only pending requests can be cancelled");
      });
    });
  });
}
