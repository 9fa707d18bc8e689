/** Starting a group, and its members: who is in it, adding, removing, leaving. */

import { openDialog } from "../dialog.js";
import { el, refill } from "../dom.js";
import { form } from "../form.js";
import { goToChat, goToChats } from "../route.js";
import { orToast, toast } from "../toast.js";
import { personAvatar } from "./avatar.js";

/** @param {import("../types.js").App} app */
export async function openNewGroupDialog(app) {
  const { chats, invites, people } = app;
  if (!invites.loaded) {
    await invites.refresh();
  }
  const connected = invites.connected();
  if (connected.length < 2) {
    openDialog(
      "New group",
      el(
        "p",
        {},
        "A group needs at least two other people you are connected with. Invite somebody under People first.",
      ),
    );
    return;
  }
  const choices = connected.map((userId) => ({
    userId,
    box: el("input", { type: "checkbox", name: "participants", value: userId }),
    who: el("span", { class: "choice" }),
  }));
  const dialog = openDialog(
    "New group",
    form({
      label: "New group",
      submit: "Create group",
      fields: [{ name: "name", label: "Name", attributes: { maxlength: 100 }, errors: /name/i }],
      action: async ({ name }) => {
        const chosen = choices.filter(({ box }) => box.checked).map(({ userId }) => userId);
        if (name.trim() === "") {
          throw new Error("Please give the group a name");
        }
        if (chosen.length < 2) {
          throw new Error("Choose at least two people");
        }
        const chat = await chats.createGroup(name, chosen);
        dialog.close();
        goToChat(chat._id);
      },
    }),
  );
  const boxes = el(
    "fieldset",
    {},
    el("legend", {}, "Members"),
    ...choices.map(({ box, who }) => el("label", { class: "choice" }, box, who)),
  );
  dialog.querySelector(".field")?.after(boxes);

  // Names may still be on their way.
  const listening = new AbortController();
  dialog.addEventListener("close", () => listening.abort());
  const showNames = () => {
    for (const { userId, who } of choices) {
      who.replaceChildren(personAvatar(people, userId), people.name(userId));
    }
  };
  people.addEventListener("change", showNames, { signal: listening.signal });
  showNames();
}

/**
 * @param {import("../types.js").App} app
 * @param {string} chatId
 */
export function openGroupDialog(app, chatId) {
  const chat = app.chats.get(chatId);
  if (!chat) {
    return;
  }
  const content = el("div", {});
  const listening = new AbortController();
  const dialog = openDialog(chat.name ?? "Group", content);
  dialog.addEventListener("close", () => listening.abort());

  function show() {
    const current = app.chats.get(chatId);
    if (!current) {
      dialog.close();
      return;
    }
    refill(content, members(app, current), adder(app, current), leaver(app, current, dialog));
  }
  // Not on every change of any chat: whoever is choosing from the list would lose their choice.
  let shown = "";
  const showIfChanged = () => {
    const current = app.chats.get(chatId);
    const says = JSON.stringify([current?.participants.map((id) => app.people.name(id)), current?.admins]);
    if (says !== shown) {
      shown = says;
      show();
    }
  };
  app.chats.addEventListener("change", showIfChanged, { signal: listening.signal });
  app.people.addEventListener("change", showIfChanged, { signal: listening.signal });
  showIfChanged();
}

/**
 * @param {import("../types.js").App} app
 * @param {import("../types.js").Chat} chat
 */
function members({ chats, me, people }, chat) {
  const mayRemove = chat.admins.includes(me.userId);
  return el(
    "ul",
    { class: "rows", "aria-label": "Members" },
    ...chat.participants.map((userId) => {
      const name = people.name(userId);
      return el(
        "li",
        { class: "row" },
        personAvatar(people, userId),
        el(
          "span",
          { class: "row-text" },
          el("span", { class: "row-title" }, userId === me.userId ? `${name} (you)` : name),
          el("span", { class: "row-detail" }, chat.admins.includes(userId) ? "Admin" : "Member"),
        ),
        mayRemove &&
          userId !== me.userId &&
          el(
            "button",
            {
              type: "button",
              "aria-label": `Remove ${name}`,
              "data-key": `remove-${userId}`,
              on: { click: () => orToast(() => chats.remove(chat._id, userId)) },
            },
            "Remove",
          ),
      );
    }),
  );
}

/**
 * @param {import("../types.js").App} app
 * @param {import("../types.js").Chat} chat
 */
function adder({ chats, invites, me, people }, chat) {
  const candidates = invites.connected().filter((userId) => !chat.participants.includes(userId));
  if (!chat.admins.includes(me.userId) || candidates.length === 0) {
    return null;
  }
  const node = form({
    label: "Add somebody",
    submit: "Add",
    fields: [
      {
        name: "userId",
        label: "Add somebody",
        type: "select",
        options: candidates.map((id) => [id, people.name(id)]),
        errors: /./,
      },
    ],
    action: async ({ userId }) => {
      await chats.add(chat._id, userId);
    },
  });
  node.classList.add("inline-form");
  return node;
}

/**
 * @param {import("../types.js").App} app
 * @param {import("../types.js").Chat} chat
 * @param {HTMLDialogElement} dialog
 */
function leaver({ chats }, chat, dialog) {
  const leave = () =>
    orToast(async () => {
      await chats.leave(chat._id);
      dialog.close();
      goToChats();
      toast(`You have left ${chat.name}.`);
    });
  return el("button", { type: "button", class: "danger", on: { click: leave } }, "Leave the group");
}
