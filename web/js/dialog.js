/** Modal dialogs on the browser's own `<dialog>`: Escape closes, focus stays inside and returns afterwards. */

import { el, icon } from "./dom.js";

let count = 0;

/**
 * @param {string} title
 * @param {...import("./dom.js").Child} content
 * @returns {HTMLDialogElement}
 */
export function openDialog(title, ...content) {
  count += 1;
  const headingId = `dialog-${count}`;
  const dialog = el(
    "dialog",
    { "aria-labelledby": headingId, on: { close: () => dialog.remove(), click: closeOnBackdrop } },
    el(
      "div",
      { class: "dialog-body" },
      el(
        "header",
        {},
        el("h2", { id: headingId }, title),
        el(
          "button",
          { type: "button", class: "quiet", "aria-label": "Close", on: { click: () => dialog.close() } },
          icon("close"),
        ),
      ),
      ...content,
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
  const first = dialog.querySelector("input:not([type=file]), textarea, select");
  if (first instanceof HTMLElement) {
    first.focus();
  }
  return dialog;
}

/** @param {MouseEvent} event */
function closeOnBackdrop(event) {
  // The body fills the dialog, so a click on the dialog itself is one beside it.
  if (event.target instanceof HTMLDialogElement) {
    event.target.close();
  }
}
