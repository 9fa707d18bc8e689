/** Says whether messages get through. */

import { el } from "../dom.js";

const WORDS = { connecting: "Connecting …", online: "Connected", offline: "Reconnecting …" };

/**
 * @param {import("../connection.js").Connection} connection
 * @returns {HTMLElement}
 */
export function connectionState(connection) {
  const text = el("span", { class: "state-text" });
  const node = el(
    "span",
    { class: "state", role: "status" },
    el("span", { class: "dot", "aria-hidden": "true" }),
    text,
  );
  const show = () => {
    node.dataset.state = connection.state;
    text.textContent = WORDS[connection.state];
  };
  connection.addEventListener("state", show);
  show();
  return node;
}
