/** Users to test with: signed up, connected, in chats. */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { Client, eventually } from "./client.mjs";

export const PASSWORD = "Correct-horse-7";

/** @returns {string} an address nobody has */
export function newEmail() {
  return `user-${randomBytes(6).toString("hex")}@example.com`;
}

/**
 * @typedef {Client & {id: string, email: string, firstName: string, lastName: string}} User
 *
 * @param {string} base
 * @param {{firstName?: string, lastName?: string}} [names]
 * @returns {Promise<User>}
 */
export async function signUp(base, { firstName = "Ada", lastName = "Lovelace" } = {}) {
  const client = new Client(base);
  const email = newEmail();
  const { status, body } = await client.post("/auth/signup", {
    firstName,
    lastName,
    emailId: email,
    password: PASSWORD,
  });
  assert.equal(status, 201, JSON.stringify(body));
  return Object.assign(client, { id: body.data._id, email, firstName, lastName });
}

/**
 * Waits until the services that learn of a sign-up by an event have done so.
 * @param {User} user
 */
export async function profileExists(user) {
  return eventually(async () => {
    const { status, body } = await user.clone().get("/profile/getProfile");
    assert.equal(status, 200, JSON.stringify(body));
    return body.data;
  });
}

/**
 * @param {User} from
 * @param {User} to
 * @returns {Promise<any>} the pending request
 */
export async function invite(from, to) {
  return eventually(async () => {
    const { status, body } = await from.clone().post("/request/invite/send", { toEmail: to.email });
    assert.equal(status, 201, JSON.stringify(body));
    return body.data;
  });
}

/**
 * @param {User} from
 * @param {User} to
 * @returns {Promise<any>} their direct chat
 */
export async function connect(from, to) {
  const { _id } = await invite(from, to);
  const { status, body } = await to.clone().patch(`/request/respond/${_id}`, { status: "accepted" });
  assert.equal(status, 200, JSON.stringify(body));
  return directChat(from, to);
}

/**
 * @param {User} from
 * @param {User} to
 */
export async function directChat(from, to) {
  return eventually(async () => {
    const { status, body } = await from.post("/chat/create-direct", { receiverId: to.id });
    assert.ok(status === 201 || status === 200, JSON.stringify(body));
    return body;
  });
}

/**
 * @param {User} creator
 * @param {User[]} others connected with the creator
 * @param {string} [name]
 */
export async function groupChat(creator, others, name = "Friends") {
  const { status, body } = await creator.post("/chat/create-group", { name, participants: others.map(({ id }) => id) });
  assert.equal(status, 201, JSON.stringify(body));
  return body;
}
