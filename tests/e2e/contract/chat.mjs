/** Chats over HTTP: direct ones, groups, the list of them. */

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { connect, groupChat, profileExists, signUp } from "../people.mjs";
import { expectAnswer, expectDocument, NO_ONE, rows, SOME_MESSAGE } from "./rows.mjs";

/** @param {{url: string}} target */
export function chat(target) {
  describe("chat", () => {
    let ada;
    let ben;
    let cleo;
    let dora;
    let eve;
    let direct;
    before(async () => {
      [ada, ben, cleo, dora, eve] = await Promise.all(
        ["Ada", "Ben", "Cleo", "Dora", "Eve"].map((firstName) => signUp(target.url, { firstName })),
      );
      await Promise.all([ada, ben, cleo, dora, eve].map(profileExists));
      direct = await connect(ada, ben);
      await Promise.all([connect(ada, cleo), connect(ada, dora)]);
    });

    describe("POST /chat/create-direct", () => {
      const create = (user, receiverId) => user.post("/chat/create-direct", { receiverId });
      rows([
        ["asks for somebody", () => create(ada, undefined), 400, "Receiver ID required"],
        ["refuses oneself", () => create(ada, ada.id), 400, "Cannot chat with yourself"],
        ["asks for a connection", () => create(ada, eve.id), 403, "Users are not connected"],
        ["asks for a connection to nobody", () => create(ada, NO_ONE), 403, "Users are not connected"],
        ["refuses what is no id", () => create(ada, "ben"), 400, SOME_MESSAGE],
        ["refuses an object", () => create(ada, { $ne: ada.id }), 400, SOME_MESSAGE],
        ["gives the existing chat", () => create(ada, ben.id), 200, (body) => assert.deepEqual(body, direct)],
        ["gives it from the other side", () => create(ben, ada.id), 200, (body) => assert.deepEqual(body, direct)],
      ]);
      it("gives the chat as it is", () => {
        expectDocument(direct);
        assert.equal(direct.chatType, "direct");
        assert.deepEqual([...direct.participants].sort(), [ada.id, ben.id].sort());
        assert.deepEqual(direct.admins, []);
        assert.equal(direct.name, undefined);
        assert.equal(direct.lastMessage ?? null, null);
        assert.equal(direct.directKey, undefined, "internal fields stay inside");
      });
      it("makes one chat for both at once", async () => {
        const [one, other] = await Promise.all([signUp(target.url), signUp(target.url)]);
        await Promise.all([one, other].map(profileExists));
        const { _id } = await connect(one, other);
        const answers = await Promise.all(
          Array.from({ length: 8 }, (_, n) => (n % 2 ? create(one, other.id) : create(other, one.id))),
        );
        answers.forEach((answer) => assert.equal(expectAnswer(answer, 200, () => {})._id, _id));
        expectAnswer(await one.get("/chat/my-chats"), 200, (body) => assert.equal(body.length, 1));
      });
    });

    describe("POST /chat/create-group", () => {
      const create = (body) => () => ada.post("/chat/create-group", body());
      rows([
        [
          "asks for a name",
          create(() => ({ participants: [ben.id, cleo.id] })),
          400,
          "Group name and participants array are required",
        ],
        [
          "asks for participants",
          create(() => ({ name: "Club" })),
          400,
          "Group name and participants array are required",
        ],
        [
          "asks for a list of them",
          create(() => ({ name: "Club", participants: ben.id })),
          400,
          "Group name and participants array are required",
        ],
        ["refuses a blank name", create(() => ({ name: "  ", participants: [ben.id, cleo.id] })), 400, SOME_MESSAGE],
        [
          "refuses an object as name",
          create(() => ({ name: { a: 1 }, participants: [ben.id, cleo.id] })),
          400,
          SOME_MESSAGE,
        ],
        [
          "asks for two others",
          create(() => ({ name: "Club", participants: [ben.id] })),
          400,
          "A group must have at least 2 other participants",
        ],
        [
          "counts everyone once",
          create(() => ({ name: "Club", participants: [ben.id, ben.id] })),
          400,
          "A group must have at least 2 other participants",
        ],
        [
          "counts others only",
          create(() => ({ name: "Club", participants: [ben.id, ada.id] })),
          400,
          "A group must have at least 2 other participants",
        ],
        ["refuses what is no id", create(() => ({ name: "Club", participants: [ben.id, "cleo"] })), 400, SOME_MESSAGE],
        [
          "refuses an object as id",
          create(() => ({ name: "Club", participants: [ben.id, { $ne: "" }] })),
          400,
          SOME_MESSAGE,
        ],
        ["refuses strangers", create(() => ({ name: "Club", participants: [ben.id, eve.id] })), 403, SOME_MESSAGE],
        [
          "refuses people who don't exist",
          create(() => ({ name: "Club", participants: [ben.id, NO_ONE] })),
          403,
          SOME_MESSAGE,
        ],
        [
          "makes a group, its name trimmed",
          create(() => ({ name: "  Book club ", participants: [ben.id, cleo.id, ben.id, ada.id] })),
          201,
          (body) => {
            expectDocument(body);
            assert.equal(body.chatType, "group");
            assert.equal(body.name, "Book club");
            assert.deepEqual([...body.participants].sort(), [ada.id, ben.id, cleo.id].sort());
            assert.deepEqual(body.admins, [ada.id]);
          },
        ],
      ]);
    });

    describe("PUT /chat/add-to-group", () => {
      let group;
      before(async () => {
        group = await groupChat(ada, [ben, cleo]);
      });
      const add = (user, body) => () => user().put("/chat/add-to-group", body());
      const one = () => ada;
      rows([
        ["asks for a chat", add(one, () => ({ userIdToAdd: dora.id })), 400, "Chat ID and User ID to add are required"],
        ["asks for a user", add(one, () => ({ chatId: group._id })), 400, "Chat ID and User ID to add are required"],
        [
          "knows no other group",
          add(one, () => ({ chatId: NO_ONE, userIdToAdd: dora.id })),
          404,
          "Group chat not found",
        ],
        [
          "takes no direct chat for a group",
          add(one, () => ({ chatId: direct._id, userIdToAdd: dora.id })),
          404,
          "Group chat not found",
        ],
        ["refuses what is no id", add(one, () => ({ chatId: "club", userIdToAdd: dora.id })), 400, SOME_MESSAGE],
        ["refuses an object", add(one, () => ({ chatId: { $ne: "" }, userIdToAdd: dora.id })), 400, SOME_MESSAGE],
        [
          "is for admins",
          add(
            () => ben,
            () => ({ chatId: group._id, userIdToAdd: dora.id }),
          ),
          403,
          "Only admins can add users to this group",
        ],
        [
          "is not for strangers",
          add(
            () => eve,
            () => ({ chatId: group._id, userIdToAdd: dora.id }),
          ),
          403,
          "Only admins can add users to this group",
        ],
        [
          "refuses whom the admin isn't connected with",
          add(one, () => ({ chatId: group._id, userIdToAdd: eve.id })),
          403,
          SOME_MESSAGE,
        ],
        [
          "refuses a member",
          add(one, () => ({ chatId: group._id, userIdToAdd: ben.id })),
          400,
          "User is already in the group",
        ],
        [
          "adds",
          add(one, () => ({ chatId: group._id, userIdToAdd: dora.id })),
          200,
          (body) => {
            assert.ok(body.participants.includes(dora.id));
            assert.equal(body.participants.length, 4);
          },
        ],
      ]);
    });

    describe("PUT /chat/remove-from-group", () => {
      let group;
      before(async () => {
        group = await groupChat(ada, [ben, cleo, dora]);
      });
      const remove = (user, body) => () => user().put("/chat/remove-from-group", body());
      const one = () => ada;
      rows([
        [
          "asks for a chat",
          remove(one, () => ({ userIdToRemove: dora.id })),
          400,
          "Chat ID and User ID to remove are required",
        ],
        [
          "asks for a user",
          remove(one, () => ({ chatId: group._id })),
          400,
          "Chat ID and User ID to remove are required",
        ],
        ["knows no other group", remove(one, () => ({ chatId: NO_ONE, userIdToRemove: dora.id })), 404, SOME_MESSAGE],
        [
          "refuses what is no id",
          remove(one, () => ({ chatId: group._id, userIdToRemove: "dora" })),
          400,
          SOME_MESSAGE,
        ],
        [
          "is for admins",
          remove(
            () => ben,
            () => ({ chatId: group._id, userIdToRemove: dora.id }),
          ),
          403,
          "Only admins can remove users from this group",
        ],
        [
          "is not for oneself",
          remove(one, () => ({ chatId: group._id, userIdToRemove: ada.id })),
          400,
          "Use the /leave-group route to leave the chat",
        ],
        [
          "removes",
          remove(one, () => ({ chatId: group._id, userIdToRemove: dora.id })),
          200,
          (body) => {
            assert.deepEqual([...body.participants].sort(), [ada.id, ben.id, cleo.id].sort());
          },
        ],
      ]);
      it("takes the messages away, too", async () => {
        expectAnswer(await dora.get(`/chat/messages/${group._id}`), 403, "Not authorized");
        expectAnswer(await dora.get("/chat/my-chats"), 200, (chats) =>
          assert.ok(chats.every(({ _id }) => _id !== group._id)),
        );
      });
    });

    describe("PUT /chat/leave-group", () => {
      const leave = (user, chatId) => user.put("/chat/leave-group", { chatId });
      rows([
        ["asks for a chat", () => leave(ada, undefined), 400, "Chat ID is required"],
        ["knows no other group", () => leave(ada, NO_ONE), 404, SOME_MESSAGE],
        ["takes no direct chat for a group", () => leave(ada, direct._id), 404, SOME_MESSAGE],
        ["refuses what is no id", () => leave(ada, "club"), 400, SOME_MESSAGE],
      ]);
      it("makes the longest-standing member admin, and goes with the last", async () => {
        const group = await groupChat(ada, [ben, cleo]);
        expectAnswer(await leave(eve, group._id), 400, "You are not a participant in this group");
        const body = expectAnswer(await leave(ada, group._id), 200, () => {});
        assert.equal(body.message, "Successfully left the group");
        assert.deepEqual(body.chat.participants, [ben.id, cleo.id]);
        assert.deepEqual(body.chat.admins, [ben.id]);
        expectAnswer(await leave(ada, group._id), 400, "You are not a participant in this group");
        expectAnswer(await leave(ben, group._id), 200, (answer) => assert.deepEqual(answer.chat.admins, [cleo.id]));
        expectAnswer(await leave(cleo, group._id), 200, "Group deleted because there are no participants left");
        expectAnswer(await cleo.get(`/chat/messages/${group._id}`), 404, "Chat not found");
      });
    });

    it("concurrent changes of a group all take effect", async () => {
      const group = await groupChat(ada, [ben, cleo]);
      const newcomers = await Promise.all(Array.from({ length: 4 }, () => signUp(target.url)));
      await Promise.all(newcomers.map(profileExists));
      await Promise.all(newcomers.map((user) => connect(ada, user)));
      const answers = await Promise.all([
        ...newcomers.map(({ id }) => ada.put("/chat/add-to-group", { chatId: group._id, userIdToAdd: id })),
        ada.put("/chat/remove-from-group", { chatId: group._id, userIdToRemove: ben.id }),
        cleo.put("/chat/leave-group", { chatId: group._id }),
      ]);
      answers.forEach((answer) => expectAnswer(answer, 200, () => {}));
      const { body } = await ada.get("/chat/my-chats");
      const { participants } = body.find(({ _id }) => _id === group._id);
      assert.deepEqual([...participants].sort(), [ada.id, ...newcomers.map(({ id }) => id)].sort());
    });
  });
}
