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
  const catchUp = catchUpOncePerChat(app);

  connection.addEventListener("message", (event) => {
    arrived(app, /** @type {CustomEvent<Message>} */ (event).detail, catchUp);
  });
  outbox.addEventListener("stored", (event) => {
    arrived(app, /** @type {CustomEvent<Message>} */ (event).detail, catchUp);
  });
  connection.addEventListener("state", async () => {
    if (connection.state === "online") {
      await joinAll(chats.list().map((chat) => chat._id), catchUp);
      await chats.refresh().catch(() => {});
    }
  });
  chats.addEventListener("added", (event) => {
    if (connection.state === "online") {
      catchUp(/** @type {CustomEvent<string>} */ (event).detail);
    }
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
 * @param {(chatId: string) => Promise<void>} catchUp
 */
function arrived({ chats, histories, me, outbox }, message, catchUp) {
  if (message.senderId === me.userId) {
    outbox.settle(message.clientMessageId);
  }
  const gap = histories.arrive(message);
  chats.noteMessage(message);
  if (gap) {
    catchUp(message.chatId);
  }
  if (!chats.get(message.chatId)) {
    chats.refresh().catch(() => {});
  }
}

/**
 * @param {string[]} chatIds
 * @param {(chatId: string) => Promise<void>} catchUp
 */
async function joinAll(chatIds, catchUp) {
  const waiting = [...chatIds];
  const joinSome = async () => {
    for (let chatId = waiting.shift(); chatId; chatId = waiting.shift()) {
      await catchUp(chatId);
    }
  };
  await Promise.all(Array.from({ length: JOINS_AT_ONCE }, joinSome));
}

/**
 * @param {App} app
 * @returns {(chatId: string) => Promise<void>} joins a chat and catches up with it; a second call meanwhile is the same one
 */
function catchUpOncePerChat({ chats, connection, histories }) {
  /** @type {Map<string, Promise<void>>} */
  const running = new Map();

  /** @param {string} chatId */
  const catchUp = async (chatId) => {
    const after = histories.contiguousTo(chatId) ?? chats.latest(chatId)?.seq ?? null;
    let answer;
    try {
      answer = await connection.join(chatId, after);
    } catch {
      return; // The connection broke; the next one joins again.
    }
    if (!answer.ok) {
      // Removed from the group meanwhile: the list tells.
      await chats.refresh().catch(() => {});
    } else if (after !== null && answer.complete === false) {
      await histories.open(chatId, { again: true }).catch(() => {});
    } else if (typeof answer.lastSequence === "number") {
      histories.caughtUp(chatId, answer.lastSequence);
    }
  };

  return (chatId) => {
    const already = running.get(chatId);
    if (already) {
      return already;
    }
    const started = catchUp(chatId).finally(() => running.delete(chatId));
    running.set(chatId, started);
    return started;
  };
}
