/**
 * The user's chats: which there are, their latest message, what is unread. The server doesn't
 * announce new chats, so `refresh` is called now and then (see `freshness.js`).
 *
 * @typedef {import("./types.js").Chat} Chat
 * @typedef {import("./types.js").Message} Message
 */

import { ApiError, call, pause } from "./api.js";
import { compare } from "./order.js";

/** Chats whose latest message is fetched for the list. */
const PREVIEWS = 30;
const PREVIEWS_AT_ONCE = 3;
/** A connection reaches the chat service by an event, so a chat may be possible a moment after the acceptance. */
const CONNECT_WAITS = [200, 400, 800, 1600];

export class Chats extends EventTarget {
  /** @type {Map<string, Chat>} */
  #chats = new Map();
  /** @type {Map<string, Message>} */
  #latest = new Map();
  /** Whether the list has been read at all. */
  loaded = false;
  /** Counts what was started and what the list shows, so that a late answer never replaces a newer one. */
  #started = 0;
  #shown = 0;
  #reads;
  #me;

  /**
   * @param {string} me the user's id
   * @param {import("./reads.js").Reads} reads
   */
  constructor(me, reads) {
    super();
    this.#me = me;
    this.#reads = reads;
  }

  /** @returns {Chat[]} the latest active first */
  list() {
    return [...this.#chats.values()].sort((a, b) => activity(b, this.#latest).localeCompare(activity(a, this.#latest)));
  }

  /** @param {string} id */
  get(id) {
    return this.#chats.get(id) ?? null;
  }

  /** @param {string} id */
  latest(id) {
    return this.#latest.get(id) ?? null;
  }

  /**
   * @param {Chat} chat
   * @returns {string} the other one of a direct chat
   */
  other(chat) {
    return chat.participants.find((id) => id !== this.#me) ?? this.#me;
  }

  /**
   * @param {Chat} chat
   * @param {import("./people.js").People} people
   */
  title(chat, people) {
    return chat.chatType === "group" ? (chat.name ?? "Group") : people.name(this.other(chat));
  }

  /**
   * @param {string} id
   * @returns {number} messages not read yet
   */
  unread(id) {
    const latest = this.#latest.get(id);
    if (!latest?.seq || latest.senderId === this.#me) {
      return 0;
    }
    return Math.max(0, latest.seq - this.#reads.get(id));
  }

  unreadChats() {
    return [...this.#chats.keys()].filter((id) => this.unread(id) > 0).length;
  }

  /** @param {string} id */
  markRead(id) {
    const seq = this.#latest.get(id)?.seq;
    if (seq && this.#reads.mark(id, seq)) {
      this.#changed();
    }
  }

  /** Asks the server; `added` and `removed` events name the chats that came and went. */
  async refresh() {
    this.#started += 1;
    const turn = this.#started;
    /** @type {Chat[]} */
    const chats = await call("GET", "/chat/my-chats");
    if (turn < this.#shown) {
      return;
    }
    this.#shown = turn;
    const before = this.#chats;
    this.#chats = new Map(chats.map((chat) => [chat._id, chat]));
    if (this.loaded && JSON.stringify([...before]) === JSON.stringify([...this.#chats])) {
      return;
    }
    this.loaded = true;
    for (const id of before.keys()) {
      if (!this.#chats.has(id)) {
        this.#latest.delete(id);
        this.#tell("removed", id);
      }
    }
    for (const id of this.#chats.keys()) {
      if (!before.has(id)) {
        this.#tell("added", id);
      }
    }
    this.#changed();
    await this.#fetchPreviews(chats);
  }

  /**
   * Takes note of a message, wherever it came from.
   * @param {Message} message
   */
  noteMessage(message) {
    const latest = this.#latest.get(message.chatId);
    if (this.#chats.has(message.chatId) && (!latest || compare(latest, message) < 0)) {
      this.#latest.set(message.chatId, message);
      if (message.senderId === this.#me && message.seq) {
        this.#reads.mark(message.chatId, message.seq);
      }
      this.#changed();
    }
  }

  /**
   * @param {string} userId
   * @returns {Promise<Chat>}
   */
  async openDirect(userId) {
    for (const wait of CONNECT_WAITS) {
      try {
        return this.#put(await call("POST", "/chat/create-direct", { json: { receiverId: userId } }));
      } catch (error) {
        if (!(error instanceof ApiError) || error.status !== 403) {
          throw error;
        }
        await pause(wait);
      }
    }
    return this.#put(await call("POST", "/chat/create-direct", { json: { receiverId: userId } }));
  }

  /**
   * @param {string} name
   * @param {string[]} participants
   */
  async createGroup(name, participants) {
    return this.#put(await call("POST", "/chat/create-group", { json: { name, participants } }));
  }

  /**
   * @param {string} chatId
   * @param {string} userIdToAdd
   */
  async add(chatId, userIdToAdd) {
    return this.#put(await call("PUT", "/chat/add-to-group", { json: { chatId, userIdToAdd } }));
  }

  /**
   * @param {string} chatId
   * @param {string} userIdToRemove
   */
  async remove(chatId, userIdToRemove) {
    return this.#put(await call("PUT", "/chat/remove-from-group", { json: { chatId, userIdToRemove } }));
  }

  /** @param {string} chatId */
  async leave(chatId) {
    await call("PUT", "/chat/leave-group", { json: { chatId } });
    this.#edited();
    this.#chats.delete(chatId);
    this.#tell("removed", chatId);
    this.#changed();
  }

  /**
   * @param {Chat} chat
   * @returns {Chat}
   */
  #put(chat) {
    this.#edited();
    const isNew = !this.#chats.has(chat._id);
    this.#chats.set(chat._id, chat);
    if (isNew) {
      this.#tell("added", chat._id);
    }
    this.#changed();
    return chat;
  }

  /** What was asked for before now is out of date. */
  #edited() {
    this.#started += 1;
    this.#shown = this.#started;
  }

  /** @param {Chat[]} chats */
  async #fetchPreviews(chats) {
    const wanted = chats
      .filter((chat) => chat.lastMessage && chat.lastMessage !== this.#latest.get(chat._id)?._id)
      .slice(0, PREVIEWS);
    const fetchSome = async () => {
      for (let chat = wanted.shift(); chat; chat = wanted.shift()) {
        try {
          /** @type {Message[]} */
          const [message] = await call("GET", `/chat/messages/${chat._id}?limit=1&inline=false`);
          if (message) {
            this.noteMessage(message);
          }
        } catch {
          // The list shows the chat without a preview then.
        }
      }
    };
    await Promise.all(Array.from({ length: PREVIEWS_AT_ONCE }, fetchSome));
  }

  /**
   * @param {"added" | "removed"} what
   * @param {string} chatId
   */
  #tell(what, chatId) {
    this.dispatchEvent(new CustomEvent(what, { detail: chatId }));
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}

/**
 * @param {Chat} chat
 * @param {Map<string, Message>} latest
 */
function activity(chat, latest) {
  const message = latest.get(chat._id);
  return message && message.createdAt > chat.updatedAt ? message.createdAt : chat.updatedAt;
}
