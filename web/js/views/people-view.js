/** Inviting people, answering invites, and everyone one is connected with. */

import { el, refill } from "../dom.js";
import { form } from "../form.js";
import { goToChat } from "../route.js";
import { short } from "../times.js";
import { orToast, toast } from "../toast.js";
import { personAvatar } from "./avatar.js";

/**
 * @param {import("../types.js").App} app
 * @returns {HTMLElement}
 */
export function peopleView(app) {
  const lists = el("div", {});

  function show() {
    const { invites } = app;
    const sent = invites.sent.filter((invite) => invite.status !== "accepted");
    refill(
      lists,
      section(
        "Invites for you",
        invites.waiting().map((invite) => receivedRow(app, invite)),
      ),
      section(
        "People",
        invites.connected().map((userId) => personRow(app, userId)),
        "Nobody yet. Whoever accepts your invite appears here.",
      ),
      section(
        "Invites you sent",
        sent.map((invite) => sentRow(app, invite)),
      ),
    );
  }

  app.invites.addEventListener("change", show);
  app.people.addEventListener("change", show);
  show();
  return el("section", { class: "people", "aria-label": "People" }, inviteForm(app), lists);
}

/** @param {import("../types.js").App} app */
function inviteForm(app) {
  /** @type {HTMLFormElement} */
  const node = form({
    label: "Invite somebody",
    submit: "Invite",
    fields: [
      {
        name: "toEmail",
        label: "Invite by e-mail",
        type: "email",
        errors: /./,
        attributes: { autocomplete: "off", inputmode: "email", maxlength: 254, placeholder: "name@example.com" },
      },
    ],
    action: async ({ toEmail }) => {
      await app.invites.send(toEmail);
      node.reset();
      toast(`Invite sent to ${toEmail.trim()}.`);
    },
  });
  node.classList.add("inline-form");
  return node;
}

/**
 * @param {string} title
 * @param {HTMLElement[]} rows
 * @param {string} [empty] what to say without rows; without it there is no section then
 */
function section(title, rows, empty) {
  if (rows.length === 0 && !empty) {
    return null;
  }
  return el(
    "section",
    {},
    el("h2", {}, title),
    el("ul", { class: "rows" }, ...rows),
    rows.length === 0 && el("p", { class: "empty" }, empty),
  );
}

/**
 * @param {import("../types.js").App} app
 * @param {import("../types.js").Invite} invite
 */
function receivedRow(app, invite) {
  const name = app.people.name(invite.fromUserId);
  /** @param {"accepted" | "rejected"} status */
  const respond = (status) => () => orToast(() => app.invites.respond(invite._id, status));
  return row(
    app,
    invite.fromUserId,
    invite.message ?? "",
    button("Accept", `Accept ${name}'s invite`, `accept-${invite._id}`, respond("accepted"), "primary"),
    button("Reject", `Reject ${name}'s invite`, `reject-${invite._id}`, respond("rejected")),
  );
}

/**
 * @param {import("../types.js").App} app
 * @param {import("../types.js").Invite} invite
 */
function sentRow(app, invite) {
  const name = app.people.name(invite.toUserId);
  const pending = invite.status === "pending";
  return row(
    app,
    invite.toUserId,
    pending ? `Waiting since ${short(invite.createdAt)}` : "Rejected",
    pending &&
      button("Cancel", `Cancel the invite to ${name}`, `cancel-${invite._id}`, () =>
        orToast(() => app.invites.cancel(invite._id)),
      ),
  );
}

/**
 * @param {import("../types.js").App} app
 * @param {string} userId
 */
function personRow(app, userId) {
  const open = () =>
    orToast(async () => {
      const chat = await app.chats.openDirect(userId);
      goToChat(chat._id);
    });
  return row(
    app,
    userId,
    app.people.get(userId)?.about ?? "",
    button("Chat", `Chat with ${app.people.name(userId)}`, `chat-${userId}`, open),
  );
}

/**
 * @param {import("../types.js").App} app
 * @param {string} userId
 * @param {string} detail
 * @param {...import("../dom.js").Child} actions
 */
function row({ people }, userId, detail, ...actions) {
  return el(
    "li",
    { class: "row" },
    personAvatar(people, userId),
    el(
      "span",
      { class: "row-text" },
      el("span", { class: "row-title" }, people.name(userId)),
      el("span", { class: "row-detail" }, detail),
    ),
    el("span", { class: "row-actions" }, ...actions),
  );
}

/**
 * @param {string} text
 * @param {string} label
 * @param {string} key
 * @param {() => void} click
 * @param {string} [kind]
 */
function button(text, label, key, click, kind = "") {
  return el("button", { type: "button", class: kind, "aria-label": label, "data-key": key, on: { click } }, text);
}
