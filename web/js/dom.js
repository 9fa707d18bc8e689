/**
 * Builds elements. Text only ever becomes text nodes, so nothing a user wrote can become markup.
 *
 * @typedef {string | number | Node | null | undefined | false} Child
 * @typedef {{[name: string]: any, on?: {[event: string]: (event: any) => void}}} Properties
 */

import { ICONS } from "./icons.js";

/**
 * @param {string} tag
 * @param {Properties} [properties] attributes; `on` holds listeners; true is an empty attribute, false and null none
 * @param {...Child} children
 * @returns {any} the element (as `any`, so that callers needn't cast to its class)
 */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) {
        element.addEventListener(event, listener);
      }
    } else if (value === true) {
      element.setAttribute(name, "");
    } else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, String(value));
    }
  }
  element.append(...present(children));
  return element;
}

/**
 * @param {string} name of `ICONS`
 * @returns {SVGElement}
 */
export function icon(name) {
  const namespace = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(namespace, "svg");
  svg.setAttribute("class", `icon icon-${name}`);
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("viewBox", "0 0 24 24");
  const path = document.createElementNS(namespace, "path");
  path.setAttribute("d", ICONS[name] ?? "");
  svg.append(path);
  return svg;
}

/**
 * Makes `nodes` the children of `parent`, moving as little as possible, so that focus stays and
 * screen readers hear only what is new.
 * @param {Element} parent
 * @param {Node[]} nodes
 */
export function reconcile(parent, nodes) {
  const wanted = new Set(nodes);
  for (const child of [...parent.childNodes]) {
    if (!wanted.has(child)) {
      child.remove();
    }
  }
  nodes.forEach((node, index) => {
    const there = parent.childNodes[index] ?? null;
    if (there !== node) {
      parent.insertBefore(node, there);
    }
  });
}

/**
 * Replaces an element's children; if the focus was on one with a `data-key`, it goes to its successor.
 * @param {HTMLElement} parent
 * @param {...Child} children
 */
export function refill(parent, ...children) {
  const focused = document.activeElement;
  const key = focused && parent.contains(focused) ? focused.getAttribute("data-key") : null;
  parent.replaceChildren(...present(children));
  if (key) {
    for (const element of parent.querySelectorAll("[data-key]")) {
      if (element instanceof HTMLElement && element.dataset.key === key) {
        element.focus();
      }
    }
  }
}

/**
 * @param {Child[]} children
 * @returns {(string | Node)[]}
 */
function present(children) {
  return children
    .filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (typeof child === "number" ? String(child) : /** @type {string | Node} */ (child)));
}
