/** A user's picture, or their initials on a colour that is always the same for them. */

import { el } from "../dom.js";
import { fullName } from "../people.js";

const COLOURS = 6;

/**
 * @param {string} id the user's or group's
 * @param {string} name
 * @param {string} [picture] URL
 * @returns {HTMLElement}
 */
export function avatar(id, name, picture) {
  const initials = name
    .split(/\s+/)
    .map((word) => [...word][0] ?? "")
    .slice(0, 2)
    .join("")
    .toUpperCase();
  const node = el("span", { class: `avatar colour-${colour(id)}`, "aria-hidden": "true" }, initials);
  if (picture && /^https?:$/.test(new URL(picture, location.href).protocol)) {
    // It covers the initials, which are there again if the picture can't be had.
    const image = el("img", { src: picture, alt: "", on: { error: () => image.remove() } });
    node.append(image);
  }
  return node;
}

/**
 * @param {import("../people.js").People} people
 * @param {string} userId
 */
export function personAvatar(people, userId) {
  const profile = people.get(userId);
  return avatar(userId, profile ? fullName(profile) : "", profile?.profilePic);
}

/** @param {string} id */
function colour(id) {
  let hash = 0;
  for (const character of id) {
    hash = (hash * 31 + character.charCodeAt(0)) % 65_521;
  }
  return hash % COLOURS;
}
