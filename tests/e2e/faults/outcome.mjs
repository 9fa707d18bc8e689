/** What events must have brought about in the end: each of it exactly once. */

import assert from "node:assert/strict";
import { ObjectId } from "mongodb";
import { eventually } from "../client.mjs";

/** A relay that lost its broker pauses between its attempts, and takes a dead host's events over after a while. */
const BOUND = 90_000;

/** @typedef {import("../backends.mjs").Backends} Backends */

/**
 * @param {Backends} backends
 * @param {{id: string}[]} users who signed up
 * @returns {Promise<number[][]>} for each, how many profiles and directory entries there are
 */
export async function countProfiles(backends, users) {
  const count = (path, { id }) => backends.collection(path).countDocuments({ userId: new ObjectId(id) });
  return Promise.all(
    users.map((user) => Promise.all([count("profileDB.profiles", user), count("requestDB.users", user)])),
  );
}

/**
 * @param {Backends} backends
 * @param {{id: string}[][]} pairs who were connected
 * @returns {Promise<number[]>} for each, how many connections there are
 */
export async function countConnections(backends, pairs) {
  return Promise.all(
    pairs.map((pair) => {
      const [user1, user2] = pair.map(({ id }) => id).sort();
      const connection = { user1: new ObjectId(user1), user2: new ObjectId(user2) };
      return backends.collection("chatDB.connections").countDocuments(connection);
    }),
  );
}

/**
 * Waits until every event has been applied.
 * @param {Backends} backends
 * @param {{users?: {id: string}[], pairs?: {id: string}[][]}} expected
 */
export async function appliedOnce(backends, { users = [], pairs = [] }) {
  await eventually(async () => {
    assert.deepEqual(
      await countProfiles(backends, users),
      users.map(() => [1, 1]),
      "one profile and one directory entry for each user",
    );
    assert.deepEqual(
      await countConnections(backends, pairs),
      pairs.map(() => 1),
      "one connection for each pair",
    );
  }, BOUND);
}

/**
 * @param {Backends} backends
 * @param {{users?: {id: string}[], pairs?: {id: string}[][]}} expected
 */
export async function notAppliedYet(backends, { users = [], pairs = [] }) {
  assert.deepEqual(
    await countProfiles(backends, users),
    users.map(() => [0, 0]),
  );
  assert.deepEqual(
    await countConnections(backends, pairs),
    pairs.map(() => 0),
  );
}
