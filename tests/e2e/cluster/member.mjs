/**
 * One client in one group, as a careful client is: it sends each message again under the same id until
 * it is acknowledged, one after the other, and asks for what it missed on every reconnect. It notes
 * what a server must not do to such a client.
 */

import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { io } from "socket.io-client";

const ACK_BOUND = 10_000;
const JOIN_BOUND = 30_000;
/** The longest pause before something that was refused or not answered is asked again. */
const LONGEST_PAUSE = 2_000;

export class Member {
  /** The messages of the group by number. @type {Map<number, any>} */
  held = new Map();
  /** Up to this number nothing is missing. */
  contiguousTo = 0;
  /** What was acknowledged, by the client's id. @type {Map<string, any>} */
  acked = new Map();
  /** What others said, as it came live: which message, and when. @type {[string, number][]} */
  arrivals = [];
  figures = { sends: 0, resends: 0, reconnects: 0, gaps: 0, refusals: 0, unanswered: 0 };
  /** What must not happen. @type {string[]} */
  faults = [];

  #outbox = [];
  #sending = false;
  #next = 0;
  /** After which number a replay is under way, which may bring what is held already. */
  #rejoinedAfter = Infinity;
  /** The newest own number seen of each sender. @type {Map<string, number>} */
  #newest = new Map();

  /**
   * @param {string} url
   * @param {{id: string, cookie: string, address: string, client: import("../client.mjs").Client}} user
   * @param {string} chatId
   */
  constructor(url, user, chatId) {
    this.user = user;
    this.chatId = chatId;
    this.socket = io(url, {
      path: "/chat/socket.io",
      transports: ["websocket"],
      forceNew: true,
      autoConnect: false,
      reconnectionDelay: 100,
      reconnectionDelayMax: 1_000,
      timeout: 10_000,
      extraHeaders: { cookie: user.cookie },
      localAddress: user.address,
    });
    let connections = 0;
    this.socket.on("connect", () => {
      connections += 1;
      this.figures.reconnects = connections - 1;
      this.#catchUp();
      this.#sendAll();
    });
    this.socket.on("receiveMessage", (message) => this.#arrive(message));
    this.socket.on("error", (text) => this.#refused(text));
    this.socket.on("connect_error", (error) => {
      if (/Unauthorized|Invalid namespace/.test(error.message)) {
        this.faults.push(`refused: ${error.message}`);
      }
    });
  }

  /** Overload passes, and what was asked is asked again; these never do. */
  #refused(text) {
    this.figures.refusals += 1;
    if (/Not authorized|Chat not found/.test(text)) {
      this.faults.push(`refused: ${text}`);
    }
  }

  connect() {
    this.socket.connect();
  }

  close() {
    this.socket.disconnect();
  }

  /** Adds a message to what is to be sent. */
  say() {
    this.#next += 1;
    const text = `${this.#next}`;
    this.#outbox.push({ text, clientMessageId: `${this.user.id}-${text}`, since: performance.now(), tries: 0 });
    this.#sendAll();
  }

  /** Messages that are not acknowledged yet. */
  get waiting() {
    return this.#outbox.length;
  }

  async #sendAll() {
    if (this.#sending) {
      return;
    }
    this.#sending = true;
    while (this.#outbox.length > 0 && this.socket.connected) {
      const [entry] = this.#outbox;
      entry.tries += 1;
      this.figures[entry.tries === 1 ? "sends" : "resends"] += 1;
      const { text, clientMessageId } = entry;
      try {
        const request = { chatId: this.chatId, text, clientMessageId };
        const answer = await this.socket.timeout(ACK_BOUND).emitWithAck("sendMessage", request);
        if (answer.ok) {
          this.acked.set(clientMessageId, answer.message);
          sentAt.set(`${this.chatId} ${answer.message._id}`, entry.since);
          this.#outbox.shift();
        } else {
          await pause(backOff(entry.tries)); // A host that is stopping, say; again under the same id.
        }
      } catch {
        // Not acknowledged: the connection broke, or it took too long.
      }
    }
    this.#sending = false;
  }

  /** Asks for everything after what is held; the server then goes on live. */
  async #catchUp() {
    const { socket } = this;
    const connection = socket.id;
    for (let tries = 1; socket.connected && socket.id === connection; tries += 1) {
      const after = this.contiguousTo;
      this.#rejoinedAfter = after;
      try {
        const answer = await socket.timeout(JOIN_BOUND).emitWithAck("joinChat", { chatId: this.chatId, after });
        if (answer.ok && !answer.complete) {
          await this.#readHistory(after);
        }
        if (answer.ok) {
          this.#rejoinedAfter = Infinity;
          return;
        }
        await pause(backOff(tries));
      } catch {
        // Tried again unless the connection is gone.
        this.figures.unanswered += Number(socket.connected && socket.id === connection);
      }
    }
  }

  async #readHistory(after) {
    const { status, body } = await this.user.client.get(`/chat/messages/${this.chatId}?limit=200&after=${after}`);
    assert.equal(status, 200);
    body.forEach((message) => this.#hold(message));
  }

  #arrive(message) {
    const { seq, senderId, text, _id } = message;
    if (this.held.has(seq)) {
      if (seq <= this.#rejoinedAfter) {
        this.faults.push(`number ${seq} came twice`);
      }
      return;
    }
    const live = this.#rejoinedAfter === Infinity;
    const newest = this.#newest.get(senderId) ?? 0;
    if (live && Number(text) < newest) {
      this.faults.push(`message ${text} of ${senderId} came after its ${newest}`);
    }
    this.#newest.set(senderId, Math.max(newest, Number(text)));
    this.#hold(message);
    if (senderId !== this.user.id) {
      this.arrivals.push([`${this.chatId} ${_id}`, performance.now()]);
    }
    if (live && seq > this.contiguousTo) {
      this.figures.gaps += 1;
      this.#catchUp();
    }
  }

  #hold(message) {
    this.held.set(message.seq, message);
    while (this.held.has(this.contiguousTo + 1)) {
      this.contiguousTo += 1;
    }
  }
}

/** Longer after each try, and not the same for everybody. */
function backOff(tries) {
  return Math.random() * Math.min(LONGEST_PAUSE, 100 * 2 ** tries);
}

/** When each message was first sent, by chat and id: all clients are in this process. @type {Map<string, number>} */
export const sentAt = new Map();
