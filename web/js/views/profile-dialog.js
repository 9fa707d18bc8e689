/** One's own profile, to be edited; other people's, to be read; and the password. */

import { call } from "../api.js";
import { openDialog } from "../dialog.js";
import { el } from "../dom.js";
import { form } from "../form.js";
import { fullName } from "../people.js";
import { changePassword } from "../session.js";
import { toast } from "../toast.js";
import { avatar } from "./avatar.js";

/** The bound of the request; larger pictures are refused here already. */
const LARGEST_PICTURE = 10 * 1000 * 1000;

/** @param {import("../types.js").App} app */
export function openProfileDialog(app) {
  const { me, people } = app;
  const picture = pictureChooser(me);
  const dialog = openDialog(
    "Your profile",
    form({
      label: "Your profile",
      submit: "Save",
      before: [picture.node],
      fields: [
        {
          name: "firstName",
          label: "First name",
          value: me.firstName,
          attributes: { maxlength: 50 },
          errors: /firstName/,
        },
        { name: "lastName", label: "Last name", value: me.lastName, attributes: { maxlength: 50 }, errors: /lastName/ },
        {
          name: "about",
          label: "About you",
          type: "textarea",
          value: me.about ?? "",
          attributes: { maxlength: 750 },
          errors: /about/,
        },
        {
          name: "gender",
          label: "Gender",
          type: "select",
          value: (me.gender ?? "").toLowerCase(),
          errors: /gender/,
          options: [
            ["", "Please choose"],
            ["female", "Female"],
            ["male", "Male"],
            ["other", "Other"],
          ],
        },
        {
          name: "age",
          label: "Age",
          type: "number",
          value: me.age === undefined ? "" : String(me.age),
          attributes: { min: 0, inputmode: "numeric" },
          errors: /age/,
        },
      ],
      action: async (values) => {
        const file = picture.chosen();
        if (file && file.size > LARGEST_PICTURE) {
          throw new Error("The picture is too large.");
        }
        const { data } = await call(
          "PUT",
          "/profile/patchProfile",
          file ? { form: multipart(values, file) } : { json: values },
        );
        people.learn(data);
        dialog.close();
        toast("Your profile is saved.");
      },
    }),
    el("button", { type: "button", class: "narrow-only", on: { click: openPasswordDialog } }, "Change the password"),
  );
}

/** @param {import("../types.js").Profile} me */
function pictureChooser(me) {
  const shown = el("span", { class: "profile-picture" }, avatar(me.userId, fullName(me), me.profilePic));
  const name = el("span", { class: "row-detail" });
  const input = el("input", {
    type: "file",
    accept: "image/jpeg,image/png",
    class: "unseen",
    on: {
      change: () => {
        name.textContent = input.files?.[0]?.name ?? "";
      },
    },
  });
  const node = el(
    "div",
    { class: "picture-chooser" },
    shown,
    el("label", { class: "button" }, input, "Choose a picture"),
    name,
  );
  return { node, chosen: () => /** @type {File | undefined} */ (input.files?.[0]) };
}

/**
 * @param {{[name: string]: string}} values
 * @param {File} file
 */
function multipart(values, file) {
  const body = new FormData();
  for (const [name, value] of Object.entries(values)) {
    body.append(name, value);
  }
  body.append("profilePic", file, file.name);
  return body;
}

/**
 * @param {import("../types.js").App} app
 * @param {string} userId
 */
export function openPersonDialog({ people }, userId) {
  const profile = people.get(userId);
  const details = [profile?.gender, profile?.age !== undefined && `${profile.age} years old`]
    .filter(Boolean)
    .join(", ");
  openDialog(
    people.name(userId),
    el("div", { class: "profile-picture" }, avatar(userId, people.name(userId), profile?.profilePic)),
    details && el("p", { class: "row-detail" }, details),
    el("p", { class: "text" }, profile?.about || "Nothing about them yet."),
  );
}

export function openPasswordDialog() {
  const dialog = openDialog(
    "Change the password",
    form({
      label: "Change the password",
      submit: "Change it",
      before: [el("p", { class: "hint" }, "Other devices signed in as you are signed out.")],
      fields: [
        {
          name: "oldPassword",
          label: "Current password",
          type: "password",
          attributes: { autocomplete: "current-password" },
          errors: /incorrect|required/i,
        },
        {
          name: "newPassword",
          label: "New password",
          type: "password",
          attributes: { autocomplete: "new-password" },
          errors: /strong|different|72/i,
        },
      ],
      action: async ({ oldPassword, newPassword }) => {
        await changePassword(oldPassword, newPassword);
        dialog.close();
        toast("Your password is changed.");
      },
    }),
  );
}
