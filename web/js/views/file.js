/**
 * A file in a message: pictures are shown, everything else can be downloaded. Always by URL: live
 * messages carry the bytes, too, but fetching them keeps them out of this page's memory.
 */

import { el, icon } from "../dom.js";

/** What browsers show as a picture without running anything in it (so not SVG). */
const PICTURES = new Set(["image/png", "image/jpeg", "image/gif", "image/webp"]);

/**
 * @param {import("../types.js").SharedFile} file
 * @param {string} messageId
 * @returns {HTMLElement}
 */
export function fileView(file, messageId) {
  const address = file.url ?? `/chat/files/${messageId}`;
  const picture = PICTURES.has(file.mimeType);
  if (!picture) {
    return fileLink(file, address);
  }
  const image = el("img", {
    src: address,
    alt: file.name,
    on: { error: () => link.replaceWith(fileLink(file, address)) },
  });
  const link = el("a", { class: "picture", href: address, target: "_blank", rel: "noopener" }, image);
  return link;
}

/**
 * @param {import("../types.js").SharedFile} file
 * @param {string} address
 */
function fileLink(file, address) {
  return el(
    "a",
    { class: "file", href: address, download: file.name },
    icon("file"),
    el(
      "span",
      { class: "row-text" },
      el("span", { class: "file-name" }, file.name),
      el("span", { class: "row-detail" }, size(file.size)),
    ),
  );
}

/** @param {number} bytes */
export function size(bytes) {
  if (bytes < 1024) {
    return `${bytes} bytes`;
  }
  const units = ["KB", "MB", "GB"];
  let value = bytes / 1024;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value.toFixed(value < 10 ? 1 : 0)} ${units[unit]}`;
}
