/** Short notes at the edge of the window, read out by screen readers, gone after a while. */

import { el, icon } from "./dom.js";

const SHOWN_FOR = 6_000;
const AT_ONCE = 4;

/**
 * @param {string} text
 * @param {"note" | "error"} [kind]
 */
export function toast(text, kind = "note") {
  const stack = /** @type {HTMLElement} */ (document.getElementById("toasts"));
  const close = el(
    "button",
    { type: "button", class: "quiet", "aria-label": "Dismiss", on: { click: () => note.remove() } },
    icon("close"),
  );
  const note = el("div", { class: `toast ${kind}` }, el("span", {}, text), close);
  raise(stack);
  stack.append(note);
  while (stack.children.length > AT_ONCE) {
    stack.firstElementChild?.remove();
  }
  setTimeout(() => note.remove(), SHOWN_FOR);
}

/**
 * As a popover the notes stand above everything, modal dialogs included, if shown after them.
 * @param {HTMLElement} stack
 */
function raise(stack) {
  if (document.querySelector("dialog[open]") && stack.matches(":popover-open")) {
    stack.hidePopover();
  }
  if (!stack.matches(":popover-open")) {
    stack.showPopover();
  }
}

/**
 * Runs what a click started, and says so if it fails.
 * @param {() => Promise<unknown>} action
 */
export async function orToast(action) {
  try {
    await action();
  } catch (error) {
    toast(error instanceof Error ? error.message : String(error), "error");
  }
}
