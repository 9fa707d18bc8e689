/** One message in the log: stored, or on its way. */

import { el, icon } from "../dom.js";
import { timeOfDay } from "../times.js";
import { personAvatar } from "./avatar.js";
import { fileView } from "./file.js";

/** What turns into a link: an address with a scheme that is safe to follow. */
const ADDRESS = /\bhttps?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)\]}]/g;

/**
 * @param {import("../types.js").App} app
 * @param {import("../types.js").Message} message
 * @param {boolean} follows whether it comes right after another of the same sender
 * @returns {HTMLElement}
 */
export function messageItem({ me, people }, message, follows) {
  const own = message.senderId === me.userId;
  return el(
    "li",
    { class: ["message", own && "own", follows && "follows"].filter(Boolean).join(" ") },
    !own && (follows ? el("span", { class: "avatar-space" }) : personAvatar(people, message.senderId)),
    el(
      "div",
      { class: "bubble" },
      el("span", { class: own || follows ? "sender unseen" : "sender" }, own ? "You" : people.name(message.senderId)),
      message.file && fileView(message.file, message._id),
      message.text && el("p", { class: "text" }, ...withLinks(message.text)),
      el(
        "span",
        { class: "meta" },
        time(message.createdAt),
        own && icon("sent"),
        own && el("span", { class: "unseen" }, "sent"),
      ),
    ),
  );
}

/**
 * @param {import("../types.js").App} app
 * @param {import("../types.js").Outgoing} outgoing
 * @returns {HTMLElement}
 */
export function outgoingItem({ outbox }, outgoing) {
  const { clientMessageId, text, error } = outgoing;
  const failed = outgoing.state === "failed";
  return el(
    "li",
    { class: failed ? "message own failed" : "message own waiting" },
    el(
      "div",
      { class: "bubble" },
      el("p", { class: "text" }, ...withLinks(text)),
      el(
        "span",
        { class: "meta" },
        time(outgoing.createdAt),
        icon(failed ? "failed" : "pending"),
        el("span", { class: failed ? "" : "unseen" }, failed ? `Not sent: ${error}` : "sending"),
      ),
      failed &&
        el(
          "span",
          { class: "failed-actions" },
          el("button", { type: "button", on: { click: () => outbox.retry(clientMessageId) } }, "Try again"),
          el("button", { type: "button", on: { click: () => outbox.settle(clientMessageId) } }, "Discard"),
        ),
    ),
  );
}

/** @param {string} iso */
function time(iso) {
  return el("time", { datetime: iso }, timeOfDay(iso));
}

/**
 * @param {string} text
 * @returns {(string | Node)[]}
 */
function withLinks(text) {
  /** @type {(string | Node)[]} */
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(ADDRESS)) {
    parts.push(
      text.slice(end, match.index),
      el("a", { href: match[0], target: "_blank", rel: "noopener noreferrer" }, match[0]),
    );
    end = match.index + match[0].length;
  }
  parts.push(text.slice(end));
  return parts;
}
