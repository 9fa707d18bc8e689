/** The list of chats, the latest active first, with what is unread. */

import { el, icon, refill } from "../dom.js";
import { chatAddress, currentRoute } from "../route.js";
import { short } from "../times.js";
import { orToast } from "../toast.js";
import { avatar } from "./avatar.js";
import { openNewGroupDialog } from "./group-dialogs.js";

/**
 * @param {import("../types.js").App} app
 * @returns {HTMLElement}
 */
export function chatList(app) {
  const list = el("ul", { class: "rows", "aria-label": "Chats" });
  const newGroup = el(
    "button",
    { type: "button", class: "wide", on: { click: () => orToast(() => openNewGroupDialog(app)) } },
    icon("plus"),
    "New group",
  );

  function show() {
    const { chatId } = currentRoute();
    const chats = app.chats.list();
    refill(list, ...chats.map((chat) => row(app, chat, chat._id === chatId)));
    if (!app.chats.loaded) {
      list.append(el("li", { class: "empty" }, "Loading …"));
    } else if (chats.length === 0) {
      list.append(
        el(
          "li",
          { class: "empty" },
          "No chats yet. Invite somebody under ",
          el("a", { href: "#/people" }, "People"),
          ".",
        ),
      );
    }
  }

  app.chats.addEventListener("change", show);
  app.people.addEventListener("change", show);
  addEventListener("hashchange", show);
  show();
  return el("section", { "aria-label": "Chats" }, newGroup, list);
}

/**
 * @param {import("../types.js").App} app
 * @param {import("../types.js").Chat} chat
 * @param {boolean} current
 */
function row(app, chat, current) {
  const { chats, people } = app;
  const title = chats.title(chat, people);
  const latest = chats.latest(chat._id);
  const unread = current ? 0 : chats.unread(chat._id);
  const other = chat.chatType === "direct" ? chats.other(chat) : null;
  return el(
    "li",
    {},
    el(
      "a",
      {
        class: unread ? "row unread" : "row",
        href: chatAddress(chat._id),
        "data-key": chat._id,
        "aria-current": current ? "true" : null,
      },
      avatar(other ?? chat._id, title, other ? people.get(other)?.profilePic : undefined),
      el(
        "span",
        { class: "row-text" },
        el("span", { class: "row-title" }, title),
        el("span", { class: "row-detail" }, latest ? preview(app, chat, latest) : members(chat)),
      ),
      el(
        "span",
        { class: "row-side" },
        latest && el("time", { datetime: latest.createdAt }, short(latest.createdAt)),
        unread > 0 &&
          el("span", { class: "badge" }, unread > 99 ? "99+" : unread, el("span", { class: "unseen" }, " unread")),
      ),
    ),
  );
}

/**
 * @param {import("../types.js").App} app
 * @param {import("../types.js").Chat} chat
 * @param {import("../types.js").Message} message
 */
function preview({ me, people }, chat, message) {
  const text = message.text || (message.file ? `File: ${message.file.name}` : "");
  const named = chat.chatType === "group" || message.senderId === me.userId;
  return named ? `${people.shortName(message.senderId)}: ${text}` : text;
}

/** @param {import("../types.js").Chat} chat */
function members(chat) {
  return chat.chatType === "group" ? `${chat.participants.length} members` : "Say hello";
}
