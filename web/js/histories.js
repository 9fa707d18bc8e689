/**
 * The messages of the chats looked at, page by page from the newest back. Bounded: a few chats, and
 * of each a few hundred messages that are easily fetched again.
 *
 * @typedef {import("./types.js").Message} Message
 */

import { call } from "./api.js";
import { compare } from "./order.js";

const PAGE = 50;
const KEEP_CHATS = 20;
/** Where a history is cut back when new messages arrive, oldest first, unless somebody reads them. */
const KEEP_MESSAGES = 600;

/** One chat's messages, in order and without gaps up to `contiguousTo`. */
export class History {
  /** @type {Message[]} */
  messages = [];
  hasOlder = false;
  loaded = false;
  /** Whether somebody is looking at old messages, so that none may go. */
  reading = false;
  /** @type {Promise<void> | null} */
  loading = null;
  /** The sequence number up to which nothing is missing since the oldest message held. */
  contiguousTo = 0;

  /**
   * @param {Message} message
   * @returns {boolean} false if it was there already
   */
  insert(message) {
    let index = this.messages.length;
    while (index > 0 && compare(this.messages[index - 1], message) > 0) {
      index -= 1;
    }
    if (this.messages.some((held) => held._id === message._id)) {
      return false;
    }
    this.messages.splice(index, 0, message);
    if (message.seq === this.contiguousTo + 1) {
      this.contiguousTo = message.seq;
    }
    return true;
  }

  trim() {
    if (!this.reading && this.messages.length > KEEP_MESSAGES) {
      this.messages.splice(0, this.messages.length - KEEP_MESSAGES);
      this.hasOlder = true;
    }
  }
}

export class Histories extends EventTarget {
  /** @type {Map<string, History>} the longest unused first */
  #histories = new Map();

  /**
   * @param {string} chatId
   * @returns {History}
   */
  of(chatId) {
    const history = this.#histories.get(chatId) ?? new History();
    this.#histories.delete(chatId);
    this.#histories.set(chatId, history);
    if (this.#histories.size > KEEP_CHATS) {
      const [oldest] = this.#histories.keys();
      this.#histories.delete(oldest);
    }
    return history;
  }

  /**
   * @param {string} chatId
   * @returns {number | null} after which sequence number to ask for what was missed; null if none of it is held
   */
  contiguousTo(chatId) {
    const history = this.#histories.get(chatId);
    return history?.loaded ? history.contiguousTo : null;
  }

  /**
   * The newest page, if it isn't there yet or `again` says it may have a gap.
   * @param {string} chatId
   * @param {{again?: boolean}} [options]
   */
  async open(chatId, { again = false } = {}) {
    const history = this.of(chatId);
    if (history.loaded && !again) {
      return;
    }
    history.loading ??= this.#loadNewest(chatId, history).finally(() => {
      history.loading = null;
    });
    await history.loading;
  }

  /** @param {string} chatId */
  async loadOlder(chatId) {
    const history = this.of(chatId);
    const [oldest] = history.messages;
    if (!oldest || !history.hasOlder || history.loading) {
      return;
    }
    history.loading = page(chatId, `&before=${oldest.seq ?? oldest._id}`)
      .then((older) => {
        for (const message of older) {
          history.insert(message);
        }
        history.hasOlder = older.length === PAGE;
      })
      .finally(() => {
        history.loading = null;
      });
    await history.loading;
    this.#changed(chatId);
  }

  /**
   * Adds a message that arrived by itself.
   * @param {Message} message
   * @returns {boolean} whether messages before it are missing
   */
  arrive(message) {
    const history = this.#histories.get(message.chatId);
    if (!history || !(history.loaded || history.loading)) {
      return false;
    }
    if (message.file) {
      delete message.file.data; // Shown by URL; see `views/file.js`.
    }
    if (history.insert(message)) {
      history.trim();
      this.#changed(message.chatId);
    }
    return history.loaded && message.seq !== undefined && message.seq > history.contiguousTo;
  }

  /**
   * The server has replayed everything up to `seq`.
   * @param {string} chatId
   * @param {number} seq
   */
  caughtUp(chatId, seq) {
    const history = this.#histories.get(chatId);
    if (history) {
      history.contiguousTo = Math.max(history.contiguousTo, seq);
    }
  }

  /** @param {string} chatId */
  forget(chatId) {
    this.#histories.delete(chatId);
  }

  /**
   * @param {string} chatId
   * @param {History} history
   */
  async #loadNewest(chatId, history) {
    const newest = await page(chatId, "");
    const held = history.messages;
    const last = newest.at(-1);
    history.messages = newest;
    history.hasOlder = newest.length === PAGE;
    history.contiguousTo = last?.seq ?? 0;
    history.loaded = true;
    // What arrived while the page was on its way.
    for (const message of held) {
      if (!last || compare(message, last) > 0) {
        history.insert(message);
      }
    }
    this.#changed(chatId);
  }

  /** @param {string} chatId */
  #changed(chatId) {
    this.dispatchEvent(new CustomEvent("change", { detail: chatId }));
  }
}

/**
 * @param {string} chatId
 * @param {string} cursor
 * @returns {Promise<Message[]>} oldest first
 */
function page(chatId, cursor) {
  return call("GET", `/chat/messages/${chatId}?limit=${PAGE}&inline=false${cursor}`);
}
