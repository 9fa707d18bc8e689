/** The frame around everything: header, the list on the left, a conversation on the right. */

import { el, icon, refill } from "../dom.js";
import { currentRoute } from "../route.js";
import { orToast } from "../toast.js";
import { avatar } from "./avatar.js";
import { chatList } from "./chat-list.js";
import { connectionState } from "./connection-state.js";
import { conversation } from "./conversation.js";
import { peopleView } from "./people-view.js";
import { openPasswordDialog, openProfileDialog } from "./profile-dialog.js";
import { secondUserLink } from "./second-user.js";
import { fullName } from "../people.js";

/**
 * @param {import("../types.js").App} app
 * @param {() => Promise<void>} leave logs out
 * @returns {HTMLElement}
 */
export function shell(app, leave) {
  const lists = { chats: chatList(app), people: peopleView(app) };
  const nav = el("nav", { class: "tabs", "aria-label": "Sections" });
  const side = el("div", { class: "side" });
  const main = el("main", { id: "main", class: "main", tabindex: "-1" });
  /** @type {{close: () => void} | null} */
  let open = null;
  /** @type {string | null} */
  let openId = null;

  function showTabs() {
    const { tab } = currentRoute();
    const waiting = app.invites.waiting().length;
    const unread = app.chats.unreadChats();
    refill(
      nav,
      tabLink("#/chats", "Chats", tab === "chats", unread, "with unread messages"),
      tabLink("#/people", "People", tab === "people", waiting, "invites waiting"),
    );
    document.title = unread + waiting > 0 ? `(${unread + waiting}) PingTalk` : "PingTalk";
  }

  function showRoute() {
    const { tab, chatId } = currentRoute();
    const chat = chatId && app.chats.get(chatId);
    showTabs();
    if (side.firstChild !== lists[tab]) {
      side.replaceChildren(lists[tab]);
    }
    frame.dataset.shows = chat ? "conversation" : "list";
    if (chat && openId === chatId) {
      return;
    }
    open?.close();
    open = null;
    openId = null;
    if (chat) {
      const view = conversation(app, chat._id);
      open = view;
      openId = chat._id;
      main.replaceChildren(view.node);
      view.focus();
    } else {
      main.replaceChildren(welcome());
    }
  }

  const frame = el(
    "div",
    { class: "frame" },
    el("a", { class: "skip", href: "#main", on: { click: skipTo(main) } }, "Skip to the conversation"),
    header(app, leave),
    el("div", { class: "sidebar" }, nav, side),
    main,
  );
  addEventListener("hashchange", showRoute);
  app.chats.addEventListener("change", showRoute);
  app.invites.addEventListener("change", showTabs);
  showRoute();
  return frame;
}

/**
 * @param {import("../types.js").App} app
 * @param {() => Promise<void>} leave
 */
function header(app, leave) {
  const me = el("button", {
    type: "button",
    class: "quiet me",
    "aria-label": "Your profile",
    title: "Your profile",
    on: { click: () => openProfileDialog(app) },
  });
  const showMe = () =>
    me.replaceChildren(
      avatar(app.me.userId, fullName(app.me), app.me.profilePic),
      el("span", { class: "me-name" }, fullName(app.me)),
    );
  app.people.addEventListener("change", showMe);
  showMe();
  return el(
    "header",
    { class: "bar" },
    el("img", { src: "/favicon.svg", alt: "", width: 28, height: 28 }),
    el("h1", {}, "PingTalk"),
    connectionState(app.connection),
    el("span", { class: "spring" }),
    secondUserLink(),
    me,
    el("button", { type: "button", class: "quiet wide-only", on: { click: () => openPasswordDialog() } }, "Password"),
    el("button", { type: "button", class: "quiet", on: { click: () => orToast(leave) } }, "Log out"),
  );
}

/**
 * @param {string} address
 * @param {string} label
 * @param {boolean} current
 * @param {number} count
 * @param {string} countOf
 */
function tabLink(address, label, current, count, countOf) {
  const badge = count > 0 && el("span", { class: "badge" }, count, el("span", { class: "unseen" }, ` ${countOf}`));
  return el("a", { href: address, "data-key": address, "aria-current": current ? "page" : null }, label, badge);
}

/**
 * The fragment belongs to the routes, so the link moves the focus itself.
 * @param {HTMLElement} target
 */
function skipTo(target) {
  return (/** @type {Event} */ event) => {
    event.preventDefault();
    target.focus();
  };
}

function welcome() {
  return el(
    "div",
    { class: "welcome" },
    icon("group"),
    el("h2", {}, "Welcome to PingTalk"),
    el(
      "ol",
      {},
      el(
        "li",
        {},
        "Under ",
        el("a", { href: "#/people" }, "People"),
        ", invite somebody by the e-mail address they signed up with.",
      ),
      el("li", {}, "Once they have accepted, choose them to start a direct chat."),
      el("li", {}, "With two or more people, start a group under ", el("a", { href: "#/chats" }, "Chats"), "."),
    ),
  );
}
