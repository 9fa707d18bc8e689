/** A chat's history as the service tells it. */

import assert from "node:assert/strict";

/**
 * Page by page, oldest first.
 * @param {import("./client.mjs").Client} user who takes part
 * @param {string} chatId
 * @returns {Promise<any[]>} every message
 */
export async function wholeHistory(user, chatId) {
  const messages = [];
  for (let pages = 0; pages < 100; pages += 1) {
    const after = messages.at(-1)?.seq ?? 0;
    const { status, body } = await user.get(`/chat/messages/${chatId}?limit=200&after=${after}`);
    assert.equal(status, 200, JSON.stringify(body));
    if (body.length === 0) {
      return messages;
    }
    messages.push(...body);
  }
  return assert.fail("the history has no end");
}
