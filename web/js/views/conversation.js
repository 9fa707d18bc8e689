/** One chat: who it is with, its messages, and the box to write in. */

import { el, icon } from "../dom.js";
import { goToChats } from "../route.js";
import { avatar } from "./avatar.js";
import { composer } from "./composer.js";
import { openGroupDialog } from "./group-dialogs.js";
import { messageLog } from "./message-log.js";
import { openPersonDialog } from "./profile-dialog.js";

/**
 * @param {import("../types.js").App} app
 * @param {string} chatId
 * @returns {{node: HTMLElement, focus: () => void, close: () => void}}
 */
export function conversation(app, chatId) {
  const abort = new AbortController();
  const { signal } = abort;
  const heading = el("header", { class: "conversation-bar" });
  const log = messageLog(app, chatId, signal);
  const box = composer(app, chatId, { onSend: log.toEnd, signal });

  function showHeading() {
    const chat = app.chats.get(chatId);
    if (!chat) {
      return;
    }
    const title = app.chats.title(chat, app.people);
    const other = chat.chatType === "direct" ? app.chats.other(chat) : null;
    const open = () => (other ? openPersonDialog(app, other) : openGroupDialog(app, chatId));
    const detail = other
      ? (app.people.get(other)?.about ?? "")
      : chat.participants.map((id) => app.people.shortName(id)).join(", ");
    heading.replaceChildren(
      el(
        "button",
        { type: "button", class: "quiet narrow-only", "aria-label": "Back to the list", on: { click: goToChats } },
        icon("back"),
      ),
      avatar(other ?? chatId, title, other ? app.people.get(other)?.profilePic : undefined),
      el(
        "div",
        { class: "row-text" },
        el("h2", { class: "row-title" }, title),
        el("p", { class: "row-detail" }, detail),
      ),
      el("button", { type: "button", on: { click: open } }, other ? "Profile" : "Members"),
    );
  }

  // The heading holds buttons: it is rebuilt only when what it says has changed, to keep the focus.
  let shown = "";
  const showIfChanged = () => {
    const chat = app.chats.get(chatId);
    const says = JSON.stringify([chat?.name, chat?.participants.map((id) => app.people.get(id))]);
    if (says !== shown) {
      shown = says;
      showHeading();
    }
  };
  app.chats.addEventListener("change", showIfChanged, { signal });
  app.people.addEventListener("change", showIfChanged, { signal });
  showIfChanged();

  return {
    node: el("section", { class: "conversation", "aria-label": "Conversation" }, heading, log.node, box.node),
    focus: box.focus,
    close: () => abort.abort(),
  };
}
