/**
 * Lets one person try two users on one machine. Cookies belong to a host name, whatever the port, and
 * `localhost` and `127.0.0.1` are two names of the same machine: a window on the other name has a
 * session of its own. Elsewhere than on one's own machine, a private window does the same.
 */

import { el, icon } from "../dom.js";

const OTHER_NAME = new Map([
  ["localhost", "127.0.0.1"],
  ["127.0.0.1", "localhost"],
]);

/**
 * @param {string} [explanation] shown above the link
 * @returns {HTMLElement | null} null where there is no second name
 */
export function secondUserLink(explanation) {
  const name = OTHER_NAME.get(location.hostname);
  if (!name) {
    return explanation
      ? el("p", { class: "hint" }, "Trying it out alone? A private window can be the second user.")
      : null;
  }
  const address = `${location.protocol}//${name}${location.port ? `:${location.port}` : ""}/`;
  const label = "Open a second user";
  const link = el(
    "a",
    {
      href: address,
      target: "_blank",
      rel: "noopener",
      class: "button",
      title: label,
      "aria-label": label,
      on: { click: besideThisOne },
    },
    icon("window"),
    el("span", { class: explanation ? "" : "second-user-label" }, label),
  );
  return explanation ? el("aside", { class: "second-user" }, el("p", {}, explanation), link) : link;
}

/** @param {MouseEvent} event */
function besideThisOne(event) {
  const link = /** @type {HTMLAnchorElement} */ (event.currentTarget);
  const width = Math.max(400, Math.floor(screen.availWidth / 2));
  const height = screen.availHeight;
  const left = screen.availWidth - width;
  event.preventDefault();
  open(link.href, "_blank", `popup,noopener,width=${width},height=${height},left=${left},top=0`);
}
