/**
 * Brings what arrives on the connection to the chats and histories, and fetches what was missed: on
 * every (re)connect each chat is joined with the sequence number it is complete up to, and the server
 * replays the rest. Where it can't, the newest page is read again.
 *
 * @typedef {import("./types.js").App} App
 * @typedef {import("./types.js").Message} Message
 */

/** Joins that wait for an answer at once. */
const JOINS_AT_ONCE = 8;

/** @param {App} app */
export function deliver(app) {
  const { chats, connection, histories, outbox } = app;
  const join = joiner(app);

  connection.addEventListener("message", (event) => {
    arrived(app, /** @type {CustomEvent<Message>} */ (event).detail, join);
  });
  outbox.addEventListener("stored", (event) => {
    arrived(app, /** @type {CustomEvent<Message>} */ (event).detail, join);
  });
  connection.addEventListener("state", () => {
    if (connection.state === "online") {
      chats.list().forEach((chat) => join(chat._id));
      chats.refresh().catch(() => {});
    }
  });
  chats.addEventListener("added", (event) => {
    join(/** @type {CustomEvent<string>} */ (event).detail);
  });
  chats.addEventListener("removed", (event) => {
    const chatId = /** @type {CustomEvent<string>} */ (event).detail;
    histories.forget(chatId);
    outbox.forget(chatId);
  });
}

/**
 * @param {App} app
 * @param {Message} message
 * @param {(chatId: string) => void} join
 */
function arrived({ chats, histories, me, outbox }, message, join) {
  if (message.senderId === me.userId) {
    outbox.settle(message.clientMessageId);
  }
  const gap = histories.arrive(message);
  chats.noteMessage(message);
  if (gap) {
    join(message.chatId);
  }
  if (!chats.get(message.chatId)) {
    chats.refresh().catch(() => {});
  }
}

/**
 * @param {App} app
 * @returns {(chatId: string) => void} has a chat joined and caught up with; while it waits, again is the same
 */
function joiner({ chats, connection, histories }) {
  /** @type {Set<string>} */
  const waiting = new Set();
  let running = 0;

  /** @param {string} chatId */
  async function catchUp(chatId) {
    const after = histories.contiguousTo(chatId) ?? chats.latest(chatId)?.seq ?? null;
    const answer = await connection.join(chatId, after);
    if (!answer.ok) {
      await chats.refresh(); // Removed from the group meanwhile: the list tells.
    } else if (after !== null && answer.complete === false) {
      await histories.open(chatId, { again: true });
      const newest = histories.of(chatId).messages.at(-1);
      if (newest) {
        chats.noteMessage(newest);
      }
    } else {
      histories.caughtUp(chatId, answer.lastSequence);
    }
  }

  async function work() {
    running += 1;
    for (const chatId of waiting) {
      waiting.delete(chatId);
      // If it fails the connection is gone; the next one joins again.
      await catchUp(chatId).catch(() => {});
    }
    running -= 1;
  }

  return (chatId) => {
    if (connection.state === "online") {
      waiting.add(chatId);
      if (running < JOINS_AT_ONCE) {
        work();
      }
    }
  };
}
