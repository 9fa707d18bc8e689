/**
 * Messages on their way. Each has an id of this client's making, so it is sent again until the
 * server says it is stored, and is stored once. One chat's messages go one after the other, so they
 * keep their order. What waits survives a reload of the tab.
 *
 * @typedef {import("./types.js").Message} Message
 * @typedef {import("./types.js").Outgoing} Outgoing
 */

/** Messages that can wait at once. */
const ROOM = 200;
/** Tries while connected, before the user is asked; the waits between them in milliseconds. */
const WAITS = [500, 1_000, 2_000, 4_000];

/** Events: `change` (detail: chat id), `stored` (detail: message). */
export class Outbox extends EventTarget {
  #key;
  #connection;
  /** @type {Outgoing[]} in the order they were written */
  #entries;
  /** @type {Set<string>} chats that are sending */
  #sending = new Set();
  /** @type {Map<string, number>} tries by client message id */
  #tries = new Map();

  /**
   * @param {string} me the user's id
   * @param {import("./connection.js").Connection} connection
   */
  constructor(me, connection) {
    super();
    this.#key = `pingtalk.outbox.${me}`;
    this.#entries = stored(this.#key);
    this.#connection = connection;
    connection.addEventListener("state", () => this.#sendAll());
  }

  /**
   * @param {string} chatId
   * @returns {Outgoing[]}
   */
  of(chatId) {
    return this.#entries.filter((entry) => entry.chatId === chatId);
  }

  /**
   * @param {string} chatId
   * @param {string} text
   * @returns {boolean} false if too many are waiting
   */
  add(chatId, text) {
    if (this.#entries.length >= ROOM) {
      return false;
    }
    this.#entries.push({
      chatId,
      text,
      clientMessageId: newId(),
      createdAt: new Date().toISOString(),
      state: "waiting",
    });
    this.#changed(chatId);
    this.#send(chatId);
    return true;
  }

  /** @param {string} clientMessageId */
  retry(clientMessageId) {
    const entry = this.#entries.find((each) => each.clientMessageId === clientMessageId);
    if (entry) {
      entry.state = "waiting";
      delete entry.error;
      this.#tries.delete(clientMessageId);
      this.#changed(entry.chatId);
      this.#send(entry.chatId);
    }
  }

  /**
   * Takes a message out: it was stored, or the user gave it up.
   * @param {string | undefined} clientMessageId
   */
  settle(clientMessageId) {
    const entry = this.#entries.find((each) => each.clientMessageId === clientMessageId);
    if (entry) {
      this.#entries.splice(this.#entries.indexOf(entry), 1);
      this.#tries.delete(entry.clientMessageId);
      this.#changed(entry.chatId);
    }
  }

  /** @param {string} chatId */
  forget(chatId) {
    this.#entries = this.#entries.filter((entry) => entry.chatId !== chatId);
    this.#changed(chatId);
  }

  #sendAll() {
    for (const chatId of new Set(this.#entries.map((entry) => entry.chatId))) {
      this.#send(chatId);
    }
  }

  /** @param {string} chatId */
  async #send(chatId) {
    if (this.#sending.has(chatId)) {
      return;
    }
    this.#sending.add(chatId);
    try {
      for (let entry = this.#next(chatId); entry; entry = this.#next(chatId)) {
        await this.#attempt(entry);
      }
    } finally {
      this.#sending.delete(chatId);
    }
  }

  /** @param {string} chatId */
  #next(chatId) {
    const online = this.#connection.state === "online";
    return online ? this.of(chatId).find((entry) => entry.state === "waiting") : undefined;
  }

  /** @param {Outgoing} entry */
  async #attempt(entry) {
    let answer;
    try {
      answer = await this.#connection.send(entry.chatId, entry.text, entry.clientMessageId);
    } catch {
      await this.#noAnswer(entry);
      return;
    }
    if (answer.ok) {
      this.settle(entry.clientMessageId);
      this.dispatchEvent(new CustomEvent("stored", { detail: answer.message }));
    } else {
      this.#fail(entry, answer.error);
    }
  }

  /** @param {Outgoing} entry */
  async #noAnswer(entry) {
    if (this.#connection.state !== "online") {
      return; // Sent again once connected.
    }
    const tries = this.#tries.get(entry.clientMessageId) ?? 0;
    const wait = WAITS[tries];
    if (wait === undefined) {
      this.#fail(entry, "The server doesn't answer");
      return;
    }
    this.#tries.set(entry.clientMessageId, tries + 1);
    await new Promise((resolve) => setTimeout(resolve, wait));
  }

  /**
   * @param {Outgoing} entry
   * @param {string} error
   */
  #fail(entry, error) {
    entry.state = "failed";
    entry.error = error;
    this.#changed(entry.chatId);
  }

  /** @param {string} chatId */
  #changed(chatId) {
    try {
      sessionStorage.setItem(this.#key, JSON.stringify(this.#entries));
    } catch {
      // Without storage a reload loses what waits; sending goes on.
    }
    this.dispatchEvent(new CustomEvent("change", { detail: chatId }));
  }
}

/** `crypto.randomUUID` exists on secure origins only; PingTalk may be tried over plain HTTP in a local network. */
function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * @param {string} key
 * @returns {Outgoing[]}
 */
function stored(key) {
  try {
    const entries = JSON.parse(sessionStorage.getItem(key) ?? "[]");
    return Array.isArray(entries) ? entries.slice(0, ROOM) : [];
  } catch {
    return [];
  }
}
