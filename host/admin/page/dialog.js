/** Dialogs: shown one at a time, forgotten once they are closed. */

import { button, el } from "./dom.js";

/**
 * Asks before something that can't be undone, or shows what it changes.
 * @param {string} question
 * @param {string} action the button's word
 * @param {Node | null} details
 * @param {() => Promise<void>} work
 */
export function confirm(question, action, details, work) {
  const problem = el("p", { class: "bad", role: "alert" });
  const dialog = el("dialog", { "aria-label": question });
  const yes = button(
    action,
    async () => {
      await work();
      dialog.close();
    },
    (error) => problem.replaceChildren(error.message),
    "main",
  );
  const no = el("button", { type: "button", on: { click: () => dialog.close() } }, "Cancel");
  dialog.append(
    el("div", { class: "steps" }, el("h2", {}, question), details, problem, el("div", { class: "actions" }, yes, no)),
  );
  show(dialog);
}

/**
 * Shows a dialog, and forgets it once it is closed.
 * @param {any} dialog
 */
export function show(dialog) {
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
