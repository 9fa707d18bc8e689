/**
 * What the services leave in MongoDB, Redis and RabbitMQ: names and types the original's services know,
 * and nothing of the host's own a moment later.
 */

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { ObjectId } from "mongodb";
import { eventually } from "../client.mjs";
import { EXCHANGE, overhear } from "../original.mjs";
import { connect, groupChat, profileExists, signUp } from "../people.mjs";
import { Sockets } from "../sockets.mjs";

/** What a service adds to the original's fields is documented in `docs/guides/move-from-pingtalk.md`. */
const ACCOUNT = {
  _id: "ObjectId",
  firstName: "string",
  lastName: "string",
  emailId: "string",
  password: "string",
  createdAt: "Date",
  updatedAt: "Date",
};
const PROFILE = {
  _id: "ObjectId",
  userId: "ObjectId",
  firstName: "string",
  lastName: "string",
  createdAt: "Date",
  updatedAt: "Date",
};
const REQUEST = {
  _id: "ObjectId",
  fromUserId: "ObjectId",
  toUserId: "ObjectId",
  status: "string",
  message: "string",
  inviteSent: "boolean",
  emailSent: "boolean",
  createdAt: "Date",
  updatedAt: "Date",
  pair: "string",
};
const DIRECTORY_ENTRY = {
  _id: "ObjectId",
  userId: "ObjectId",
  email: "string",
  createdAt: "Date",
  updatedAt: "Date",
};
const CONNECTION = {
  _id: "ObjectId",
  user1: "ObjectId",
  user2: "ObjectId",
  status: "string",
  createdAt: "Date",
  updatedAt: "Date",
};
const CHAT = {
  _id: "ObjectId",
  chatType: "string",
  participants: ["ObjectId", "ObjectId"],
  admins: [],
  lastMessage: "ObjectId",
  createdAt: "Date",
  updatedAt: "Date",
  directKey: "string",
  allNumbered: "boolean",
  lastNumbered: "ObjectId",
};
const MESSAGE = {
  _id: "ObjectId",
  chatId: "ObjectId",
  senderId: "ObjectId",
  text: "string",
  readBy: ["ObjectId"],
  seq: "number",
  createdAt: "Date",
  updatedAt: "Date",
};

/** Each collection's unique indexes. */
const UNIQUE = {
  "authDB.auths": ["emailId"],
  "profileDB.profiles": ["userId"],
  "requestDB.requests": ["fromUserId,toUserId", "pair"],
  "requestDB.users": ["email", "userId"],
  "chatDB.chats": ["directKey"],
  "chatDB.messages": ["chatId,seq", "clientKey"],
  "chatDB.connections": ["user1,user2"],
};

/** @returns {any} the types in place of the values */
function shape(value) {
  if (value instanceof ObjectId) {
    return "ObjectId";
  }
  if (value instanceof Date) {
    return "Date";
  }
  if (Array.isArray(value)) {
    return value.map(shape);
  }
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, shape(field)]));
  }
  return value === null ? "null" : typeof value;
}

/** @param {{url: string, backends: import("../backends.mjs").Backends}} target */
export function stored(target) {
  describe("what lies in the servers", () => {
    const { backends } = target;
    let ada, ben, chat, heard;

    before(async () => {
      heard = await overhear(backends.rabbitmq);
      [ada, ben] = await Promise.all([signUp(target.url), signUp(target.url, { firstName: "Ben" })]);
      await Promise.all([ada, ben].map(profileExists));
      chat = await connect(ada, ben);
      const sockets = new Sockets(target.url);
      const socket = await sockets.connect(ada);
      await socket.send(chat._id, "hello");
      await socket.send(chat._id, "again", "my-own-id");
      sockets.closeAll();
    });

    /** Once the host has cleared away what it kept of the commit, which it does after answering. */
    const has = (path, query, expected) =>
      eventually(async () => {
        const document = await backends.collection(path).findOne(query);
        assert.deepEqual(shape(document), expected, path);
        return document;
      });
    const id = (user) => new ObjectId(user.id);

    it("an account, with bcrypt as the original has it", async () => {
      const account = await has("authDB.auths", { _id: id(ada) }, ACCOUNT);
      assert.equal(account.emailId, ada.email);
      assert.match(account.password, /^\$2b\$10\$[./A-Za-z0-9]{53}$/);
    });

    it("a profile, before and after it is edited", async () => {
      await has("profileDB.profiles", { userId: id(ada) }, PROFILE);
      const fields = { about: "x", age: "30", gender: "female" };
      assert.equal((await ada.put("/profile/patchProfile", fields)).status, 200);
      const edited = { ...PROFILE, about: "string", age: "number", gender: "string" };
      const profile = await has("profileDB.profiles", { userId: id(ada) }, edited);
      assert.equal(profile.age, 30);
    });

    it("a request and the directory of users", async () => {
      const request = await has("requestDB.requests", { fromUserId: id(ada) }, REQUEST);
      assert.equal(request.status, "accepted");
      const entry = await has("requestDB.users", { userId: id(ada) }, DIRECTORY_ENTRY);
      assert.equal(entry.email, ada.email);
    });

    it("a connection, its users ordered as text", async () => {
      const [user1, user2] = [ada.id, ben.id].sort();
      const connection = await has("chatDB.connections", { user1: new ObjectId(user1) }, CONNECTION);
      assert.equal(connection.user2.toHexString(), user2);
      assert.equal(connection.status, "accepted");
    });

    it("a chat and its messages", async () => {
      const _id = new ObjectId(chat._id);
      const document = await has("chatDB.chats", { _id }, CHAT);
      await has("chatDB.messages", { chatId: _id, seq: 1 }, MESSAGE);
      const second = { ...MESSAGE, clientMessageId: "string", clientKey: "string" };
      const last = await has("chatDB.messages", { chatId: _id, seq: 2 }, second);
      assert.deepEqual(document.lastMessage, last._id);
      assert.deepEqual(document.lastNumbered, last._id);
    });

    it("a group, and a message with a file", async () => {
      const cleo = await signUp(target.url, { firstName: "Cleo" });
      await profileExists(cleo);
      await connect(ada, cleo);
      const group = await groupChat(ada, [ben, cleo]);
      const form = new FormData();
      form.append("chatId", group._id);
      form.append("file", new Blob(["content"], { type: "text/plain" }), "a.txt");
      const { body } = await ada.request("POST", "/chat/send-file", { form });
      const { directKey: _, ...groupShape } = CHAT;
      await has(
        "chatDB.chats",
        { _id: new ObjectId(group._id) },
        { ...groupShape, name: "string", participants: Array(3).fill("ObjectId"), admins: ["ObjectId"] },
      );
      const { text: __, ...messageShape } = MESSAGE;
      const file = { data: "string", name: "string", mimeType: "string", size: "number" };
      const message = await has("chatDB.messages", { _id: new ObjectId(body._id) }, { ...messageShape, file });
      assert.equal(Buffer.from(message.file.data, "base64").toString(), "content");
    });

    it("an ended session, with the account it was of", async () => {
      const dora = await signUp(target.url, { firstName: "Dora" });
      assert.equal((await dora.post("/auth/logout")).status, 200);
      await has(
        "authDB.auths",
        { _id: id(dora) },
        { ...ACCOUNT, sessions: { revoked: [{ id: "string", exp: "number" }] } },
      );
    });

    it("the unique indexes that decide races", async () => {
      for (const [path, expected] of Object.entries(UNIQUE)) {
        const indexes = await backends.collection(path).indexes();
        const unique = indexes.filter((index) => index.unique).map(({ key }) => Object.keys(key).join(","));
        assert.deepEqual(unique.filter((fields) => fields !== "_id").sort(), expected, path);
      }
    });

    it("cached values under the original's keys, for as long", async () => {
      const { body: profile } = await ada.get("/profile/getProfile");
      const { body: sent } = await ada.get("/request/invites/sent");
      await ada.post("/chat/create-direct", { receiverId: ben.id });
      const cached = async (key, longest) => {
        const seconds = await backends.redis.ttl(key);
        assert.ok(seconds > 0 && seconds <= longest, `${key} expires in ${seconds} s`);
        return JSON.parse(await backends.redis.get(key));
      };
      assert.deepEqual(await cached(`profile:${ada.id}`, 600), profile.data);
      const { message, data, count } = await cached(`sentRequests:${ada.id}`, 600);
      assert.deepEqual({ message, data, count }, { message: sent.message, data: sent.data, count: sent.count });
      const [smaller, larger] = [ada.id, ben.id].sort();
      assert.equal(await cached(`chat:allowed:${smaller}:${larger}`, 3_600), true);
    });

    it("events as the original's services expect them", async () => {
      const ofAda =
        (topic, field) =>
        ({ content, fields }) =>
          fields.routingKey === topic && JSON.parse(content.toString())[field] === ada.id;
      for (const [topic, field, payload] of [
        ["auth.user.created", "userId", ["userId", "email", "firstName", "lastName", "createdAt"]],
        ["request.accepted", "fromUserId", ["requestId", "fromUserId", "toUserId", "respondedAt"]],
      ]) {
        const found = heard.messages.filter(ofAda(topic, field));
        const ofBen = topic === "request.accepted" ? (m) => JSON.parse(m.content).toUserId === ben.id : () => true;
        const [message, ...more] = found.filter(ofBen);
        assert.ok(message, topic);
        assert.deepEqual(more, [], `${topic} was published once`);
        assert.equal(message.fields.exchange, EXCHANGE);
        assert.equal(message.properties.deliveryMode, 2, "persistent");
        assert.equal(message.properties.contentType, "application/json");
        assert.deepEqual(Object.keys(JSON.parse(message.content.toString())), payload);
      }
      await heard.close();
    });
  });
}
