/** The page for whoever isn't signed in: log in, or sign up. */

import { el } from "../dom.js";
import { form } from "../form.js";
import { logIn, signUp } from "../session.js";
import { secondUserLink } from "./second-user.js";

const EMAIL = { autocomplete: "email", inputmode: "email", maxlength: 254, spellcheck: "false" };

/**
 * @param {(me: import("../types.js").Profile) => void} enter
 * @param {boolean} ended whether a session has just ended by itself
 * @returns {HTMLElement}
 */
export function signInView(enter, ended) {
  const panel = el("div", { id: "sign-in-panel", role: "tabpanel" });
  const tabs = [
    { id: "tab-log-in", label: "Log in", build: () => logInForm(enter) },
    { id: "tab-sign-up", label: "Sign up", build: () => signUpForm(enter) },
  ];
  const buttons = tabs.map((tab) =>
    el(
      "button",
      {
        type: "button",
        role: "tab",
        id: tab.id,
        "aria-controls": panel.id,
        on: { click: () => choose(tab) },
      },
      tab.label,
    ),
  );

  /** @param {typeof tabs[number]} chosen */
  function choose(chosen) {
    for (const button of buttons) {
      const isChosen = button.id === chosen.id;
      button.setAttribute("aria-selected", String(isChosen));
      button.tabIndex = isChosen ? 0 : -1;
    }
    panel.setAttribute("aria-labelledby", chosen.id);
    panel.replaceChildren(chosen.build());
  }

  /** @param {KeyboardEvent} event */
  function onKey(event) {
    if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      const other = buttons.find((button) => button.getAttribute("aria-selected") === "false");
      other.click();
      other.focus();
    }
  }

  choose(tabs[0]);
  return el(
    "main",
    { class: "sign-in" },
    el("h1", {}, el("img", { src: "/favicon.svg", alt: "", width: 40, height: 40 }), "PingTalk"),
    ended && el("p", { class: "notice", role: "status" }, "Your session has ended. Please log in again."),
    el(
      "section",
      { class: "card" },
      el(
        "div",
        { class: "tabs", role: "tablist", "aria-label": "Log in or sign up", on: { keydown: onKey } },
        ...buttons,
      ),
      panel,
    ),
    secondUserLink("Trying it out alone? Open a second window and sign up there as somebody else."),
  );
}

/** @param {(me: import("../types.js").Profile) => void} enter */
function logInForm(enter) {
  return form({
    label: "Log in",
    submit: "Log in",
    fields: [
      { name: "emailId", label: "E-mail", type: "email", attributes: EMAIL, errors: /user not found/i },
      {
        name: "password",
        label: "Password",
        type: "password",
        attributes: { autocomplete: "current-password" },
        errors: /incorrect credentials/i,
      },
    ],
    action: async ({ emailId, password }) => enter(await logIn(emailId.trim(), password)),
  });
}

/** @param {(me: import("../types.js").Profile) => void} enter */
function signUpForm(enter) {
  return form({
    label: "Sign up",
    submit: "Create account",
    fields: [
      {
        name: "firstName",
        label: "First name",
        attributes: { autocomplete: "given-name", maxlength: 50 },
        errors: /name/i,
      },
      { name: "lastName", label: "Last name", attributes: { autocomplete: "family-name", maxlength: 50 } },
      { name: "emailId", label: "E-mail", type: "email", attributes: EMAIL, errors: /email/i },
      {
        name: "password",
        label: "Password",
        type: "password",
        attributes: { autocomplete: "new-password" },
        hint: "At least 8 characters with a capital, a small letter, a digit and a symbol.",
        errors: /password/i,
      },
    ],
    action: async ({ firstName, lastName, emailId, password }) =>
      enter(
        await signUp({ firstName: firstName.trim(), lastName: lastName.trim(), emailId: emailId.trim(), password }),
      ),
  });
}
