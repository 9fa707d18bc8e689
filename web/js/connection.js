/**
 * The Socket.IO connection: its state, joining chats, sending. It reconnects by itself; what has to
 * be caught up with afterwards is `delivery.js`'s business.
 *
 * Every request here asks for an acknowledgement, so the server's `error` events, which say the same
 * for clients that don't, are not listened to.
 *
 * @typedef {import("./types.js").JoinAnswer} JoinAnswer
 * @typedef {import("./types.js").SendAnswer} SendAnswer
 * @typedef {"connecting" | "online" | "offline"} State
 */

import { io } from "../vendor/socket.io.esm.min.js";
import { whoAmI } from "./session.js";

/** How long to wait for an acknowledgement, in milliseconds. */
const ACK_WAIT = 10_000;
/** How long to wait after the server ended the connection on purpose, in milliseconds. */
const AFTER_REFUSAL = 3_000;

/** Events: `state`, `message` (its detail), `ended` (the session is over). */
export class Connection extends EventTarget {
  /** @type {State} */
  state = "connecting";
  #socket;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retry;

  constructor() {
    super();
    this.#socket = io({
      path: "/chat/socket.io",
      autoConnect: false,
      reconnectionDelay: 500,
      reconnectionDelayMax: 5_000,
    });
    this.#socket.on("connect", () => this.#become("online"));
    this.#socket.on("disconnect", (/** @type {string} */ reason) => this.#lost(reason));
    this.#socket.on("connect_error", (/** @type {Error} */ error) => this.#failed(error));
    this.#socket.on("receiveMessage", (/** @type {unknown} */ message) => {
      this.dispatchEvent(new CustomEvent("message", { detail: message }));
    });
    addEventListener("online", () => this.#now());
  }

  start() {
    this.#socket.connect();
  }

  stop() {
    clearTimeout(this.#retry);
    this.#socket.disconnect();
  }

  /**
   * Receives a chat's messages from now on, and first those after sequence number `after`, if given.
   * @param {string} chatId
   * @param {number | null} after
   * @returns {Promise<JoinAnswer>}
   */
  join(chatId, after) {
    const request = after === null ? { chatId } : { chatId, after };
    return this.#socket.timeout(ACK_WAIT).emitWithAck("joinChat", request);
  }

  /**
   * @param {string} chatId
   * @param {string} text
   * @param {string} clientMessageId sending the same one again is harmless
   * @returns {Promise<SendAnswer>} rejects if no answer came; it may have been stored
   */
  send(chatId, text, clientMessageId) {
    return this.#socket.timeout(ACK_WAIT).emitWithAck("sendMessage", { chatId, text, clientMessageId });
  }

  /** @param {State} state */
  #become(state) {
    if (this.state !== state) {
      this.state = state;
      this.dispatchEvent(new Event("state"));
    }
  }

  /** @param {string} reason */
  #lost(reason) {
    this.#become("offline");
    if (reason === "io client disconnect") {
      return;
    }
    if (reason === "io server disconnect") {
      // A logout or a password change elsewhere, or a release that closed the socket.
      this.#checkSession();
    }
  }

  /** @param {Error} error */
  #failed(error) {
    this.#become("offline");
    if (this.#socket.active) {
      return; // The transport failed; the library tries again.
    }
    if (error.message.startsWith("Unauthorized")) {
      this.dispatchEvent(new Event("ended"));
    } else {
      this.#later();
    }
  }

  async #checkSession() {
    try {
      if ((await whoAmI()) === null) {
        this.dispatchEvent(new Event("ended"));
        return;
      }
    } catch {
      // Not reachable: connecting will tell.
    }
    this.#later();
  }

  #later() {
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#socket.connect(), AFTER_REFUSAL);
  }

  /** The machine is online again: don't wait for the next try. */
  #now() {
    if (this.state !== "online" && this.#socket.active) {
      this.#socket.disconnect().connect();
    }
  }
}
