/**
 * The original's Node services, as far as their neighbours see them: documents as Mongoose writes
 * them, the broker's topology as they declare it, and events as they publish them.
 */

import amqp from "amqplib";
import { ObjectId } from "mongodb";
import { Client } from "./client.mjs";
import { newEmail } from "./people.mjs";
import { sessionCookie } from "./tokens.mjs";

export const EXCHANGE = "events.exchange";
export const QUEUES = {
  "profile.auth.user.created": "auth.user.created",
  "request.auth.user.created": "auth.user.created",
  "chat.request.accepted": "request.accepted",
};
/** `bcrypt.hash("Correct-horse-7", 10)` as another implementation made it. */
const PASSWORD_HASH = "$2b$10$4vLkNGxJB6PsE//xzl233uVeSG8prq1om2QnuxJWIPX3Ukk7cO.8q";

/** Mongoose's own fields, with `timestamps: true`. */
function mongoose(fields, at = new Date()) {
  return { _id: new ObjectId(), ...fields, createdAt: at, updatedAt: at, __v: 0 };
}

/** @param {string} [firstName] */
export function account(firstName = "Olga") {
  return mongoose({ firstName, lastName: "Original", emailId: newEmail(), password: PASSWORD_HASH });
}

export function profile(user) {
  const { _id, firstName, lastName } = user;
  return mongoose({ userId: _id, firstName, lastName });
}

export function directoryEntry(user) {
  return mongoose({ userId: user._id, email: user.emailId });
}

export function request(from, to, status = "pending") {
  return mongoose({
    fromUserId: from._id,
    toUserId: to._id,
    status,
    message: "Hi! Let's connect on chat.",
    inviteSent: false,
    emailSent: false,
  });
}

export function connection(one, other) {
  const [user1, user2] = [one._id, other._id].sort((a, b) => (a.toHexString() < b.toHexString() ? -1 : 1));
  return mongoose({ user1, user2, status: "accepted" });
}

export function directChat(one, other) {
  return mongoose({ chatType: "direct", participants: [one._id, other._id], admins: [], lastMessage: null });
}

export function message(chat, sender, text, at = new Date()) {
  return mongoose({ chatId: chat._id, senderId: sender._id, text, readBy: [sender._id] }, at);
}

/**
 * A user of the original's with everything its services keep of one.
 * @param {import("./backends.mjs").Backends} backends
 * @param {string} [firstName]
 */
export async function storeUser(backends, firstName) {
  const user = account(firstName);
  await backends.collection("authDB.auths").insertOne(user);
  await backends.collection("profileDB.profiles").insertOne(profile(user));
  await backends.collection("requestDB.users").insertOne(directoryEntry(user));
  return user;
}

/**
 * What the original's chat service does when somebody sends.
 * @param {import("./backends.mjs").Backends} backends
 */
export async function storeMessage(backends, chat, sender, text, at) {
  const stored = message(chat, sender, text, at);
  await backends.collection("chatDB.messages").insertOne(stored);
  await backends
    .collection("chatDB.chats")
    .updateOne({ _id: chat._id }, { $set: { lastMessage: stored._id, updatedAt: stored.createdAt } });
  return stored;
}

/**
 * @param {string} base
 * @param {{_id: ObjectId, emailId: string}} user of the original's
 * @returns {Client & {id: string, email: string}} with a session that the original's auth service began
 */
export function clientOf(base, user) {
  const client = Object.assign(new Client(base), { id: user._id.toHexString(), email: user.emailId });
  client.cookie = sessionCookie(client.id);
  return client;
}

/** @param {import("amqplib").Channel} channel */
export async function declareTopology(channel) {
  await channel.assertExchange(EXCHANGE, "topic", { durable: true });
  for (const [queue, topic] of Object.entries(QUEUES)) {
    await channel.assertQueue(queue, { durable: true });
    await channel.bindQueue(queue, EXCHANGE, topic);
  }
}

/**
 * The original names the content type of `auth.*` only, and gives no message an id.
 * @param {import("amqplib").Channel} channel
 */
export function publish(channel, topic, payload) {
  const type = topic.startsWith("auth.") ? { contentType: "application/json" } : {};
  channel.publish(EXCHANGE, topic, Buffer.from(JSON.stringify(payload)), { persistent: true, ...type });
}

export function userCreated(user) {
  const { _id, emailId, firstName, lastName, createdAt } = user;
  return { userId: _id.toHexString(), email: emailId, firstName, lastName, createdAt: createdAt.toISOString() };
}

/** @param {{id: string}} from @param {{id: string}} to */
export function requestAccepted(from, to) {
  const requestId = new ObjectId().toHexString();
  return { requestId, fromUserId: from.id, toUserId: to.id, respondedAt: new Date().toISOString() };
}

/**
 * A queue of one's own on which everything published arrives, too.
 * @param {import("amqplib").ChannelModel} connection
 * @param {string} pattern
 * @returns {Promise<{messages: import("amqplib").ConsumeMessage[], close: () => Promise<void>}>}
 */
export async function overhear(connection, pattern = "#") {
  const channel = await connection.createChannel();
  await channel.assertExchange(EXCHANGE, "topic", { durable: true });
  const { queue } = await channel.assertQueue("", { exclusive: true });
  await channel.bindQueue(queue, EXCHANGE, pattern);
  const messages = [];
  await channel.consume(queue, (message) => message && messages.push(message), { noAck: true });
  return { messages, close: () => channel.close() };
}

/**
 * An original service at work on its queue.
 * @param {string} url of the broker
 * @param {string} queue
 * @param {(payload: any) => Promise<void>} handle
 */
export async function consume(url, queue, handle) {
  const connection = await amqp.connect(url);
  const channel = await connection.createChannel();
  await channel.assertQueue(queue, { durable: true });
  await channel.prefetch(1);
  await channel.consume(queue, async (delivery) => {
    if (delivery) {
      await handle(JSON.parse(delivery.content.toString()));
      channel.ack(delivery);
    }
  });
  return { close: () => connection.close() };
}
