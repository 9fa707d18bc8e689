/** Socket.IO clients that note what they get, with bounded waits. */

import assert from "node:assert/strict";
import { io } from "socket.io-client";

const BOUND = 15_000;

/** The ways to connect. */
export const TRANSPORTS = { polling: ["polling"], websocket: ["websocket"], upgrade: ["polling", "websocket"] };

/** One socket and everything it received. */
export class Receiver {
  /** @type {any[]} of `receiveMessage` */
  messages = [];
  /** @type {string[]} of `error` */
  errors = [];
  /** @type {string[]} reasons */
  disconnects = [];

  constructor(socket) {
    this.socket = socket;
    socket.on("receiveMessage", (message) => this.messages.push(message));
    socket.on("error", (error) => this.errors.push(error));
    socket.on("disconnect", (reason) => this.disconnects.push(reason));
  }

  /** @returns {Promise<any>} the ack */
  ask(event, ...values) {
    return this.socket.timeout(BOUND).emitWithAck(event, ...values);
  }

  /** @param {string} chatId */
  async join(chatId, after) {
    const answer = await this.ask("joinChat", after === undefined ? { chatId } : { chatId, after });
    assert.equal(answer.ok, true, JSON.stringify(answer));
    return answer;
  }

  async send(chatId, text, clientMessageId) {
    const answer = await this.ask("sendMessage", { chatId, text, ...(clientMessageId ? { clientMessageId } : {}) });
    assert.equal(answer.ok, true, JSON.stringify(answer));
    return answer.message;
  }

  texts(chatId) {
    return this.messages.filter((message) => !chatId || message.chatId === chatId).map(({ text }) => text);
  }

  /**
   * Waits until something is so.
   * @param {() => boolean} check
   * @param {string} what
   */
  async until(check, what, bound = BOUND) {
    const deadline = Date.now() + bound;
    while (!check()) {
      if (Date.now() > deadline) {
        assert.fail(
          `${what}: not within ${bound} ms; got ${JSON.stringify([this.texts(), this.errors, this.disconnects]).slice(0, 500)}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  close() {
    this.socket.disconnect();
  }
}

/** Opens sockets for a test and closes them after it. */
export class Sockets {
  #open = [];

  constructor(url) {
    this.url = url;
  }

  /**
   * @param {{cookie: string | null}} user
   * @param {object} [options] of socket.io-client; `url` to go another way
   * @returns {Promise<Receiver>} connected
   */
  async connect(user, options = {}) {
    const receiver = this.open(user, options);
    const { socket } = receiver;
    await new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error("did not connect")), BOUND);
      socket.once("connect", () => {
        clearTimeout(timer);
        resolve();
      });
      socket.once("connect_error", (error) => {
        clearTimeout(timer);
        reject(error);
      });
    });
    return receiver;
  }

  /** The same without waiting. */
  open(user, { url = this.url, namespace = "", path = "/chat/socket.io", ...options } = {}) {
    const socket = io(url + namespace, {
      path,
      forceNew: true,
      reconnection: false,
      extraHeaders: user.cookie ? { cookie: user.cookie } : {},
      ...options,
    });
    this.#open.push(socket);
    return new Receiver(socket);
  }

  /** @returns {Promise<string>} the message with which the server refused */
  async refusal(user, options) {
    try {
      const receiver = await this.connect(user, options);
      receiver.close();
    } catch (error) {
      return error.message;
    }
    return assert.fail("connected");
  }

  closeAll() {
    this.#open.forEach((socket) => socket.disconnect());
    this.#open = [];
  }
}
