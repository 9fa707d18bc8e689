/** Pairs of users of whom one has invited the other. */

import { clientOf, storeUser } from "../original.mjs";
import { invite } from "../people.mjs";
import assert from "node:assert/strict";

/**
 * @param {import("../backends.mjs").Backends} backends
 * @param {string} url
 * @param {number} count
 * @returns {Promise<{from: any, to: any, accept: () => Promise<void>}[]>}
 */
export async function invitedPairs(backends, url, count) {
  const pairs = [];
  while (pairs.length < count) {
    const [from, to] = [clientOf(url, await storeUser(backends)), clientOf(url, await storeUser(backends))];
    const { _id } = await invite(from, to);
    const accept = async () => {
      const { status, body } = await to.patch(`/request/respond/${_id}`, { status: "accepted" });
      assert.equal(status, 200, JSON.stringify(body));
    };
    pairs.push({ from, to, accept });
  }
  return pairs;
}
