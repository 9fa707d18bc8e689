/**
 * How far this user has read each chat, on this machine: the sequence number of the last message
 * seen. Kept in local storage, so it survives a reload and is shared by the user's tabs.
 */

/** Chats to remember; the longest untouched is forgotten first. */
const KEEP = 1000;

export class Reads {
  #key;
  /** @type {Map<string, number>} */
  #seen;

  /** @param {string} userId */
  constructor(userId) {
    this.#key = `pingtalk.reads.${userId}`;
    this.#seen = new Map(stored(this.#key));
    addEventListener("storage", (event) => {
      if (event.key === this.#key) {
        this.#seen = new Map(stored(this.#key));
      }
    });
  }

  /** @param {string} chatId */
  get(chatId) {
    return this.#seen.get(chatId) ?? 0;
  }

  /**
   * @param {string} chatId
   * @param {number} seq
   * @returns {boolean} whether that was news
   */
  mark(chatId, seq) {
    if (seq <= this.get(chatId)) {
      return false;
    }
    this.#seen.delete(chatId);
    this.#seen.set(chatId, seq);
    const entries = [...this.#seen].slice(-KEEP);
    try {
      localStorage.setItem(this.#key, JSON.stringify(entries));
    } catch {
      // Storage that is full or forbidden costs the mark after a reload, nothing else.
    }
    return true;
  }
}

/**
 * @param {string} key
 * @returns {[string, number][]}
 */
function stored(key) {
  try {
    const entries = JSON.parse(localStorage.getItem(key) ?? "[]");
    return Array.isArray(entries) ? entries.filter((entry) => Array.isArray(entry) && entry.length === 2) : [];
  } catch {
    return [];
  }
}
