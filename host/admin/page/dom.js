/**
 * Builds elements. Text only ever becomes text nodes: what a tenant named or an event carried can't
 * become markup.
 *
 * @typedef {string | number | Node | null | undefined | false} Child
 */

/**
 * @param {string} tag
 * @param {{[name: string]: any, on?: {[event: string]: (event: any) => void}}} [properties] attributes; `on` holds
 *   listeners; true is an empty attribute, false and null none
 * @param {...Child} children
 * @returns {any} the element
 */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "on") {
      Object.entries(value).forEach(([event, listener]) => element.addEventListener(event, listener));
    } else if (value === true) {
      element.setAttribute(name, "");
    } else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, String(value));
    }
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false).map(asNode));
  return element;
}

/** @param {any} child */
function asNode(child) {
  return child instanceof Node ? child : String(child);
}

/**
 * @typedef {object} Column
 * @property {string} title
 * @property {(row: any) => Child} cell
 * @property {boolean} [number] aligned to the right
 * @property {boolean} [wide] may wrap
 *
 * @param {string} caption for screen readers
 * @param {Column[]} columns
 * @param {any[]} rows
 * @returns {HTMLElement} a table in a box that scrolls
 */
export function table(caption, columns, rows) {
  const kind = ({ number, wide }) => (number ? "number" : wide ? "wide" : null);
  return el(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
    el(
      "table",
      {},
      el("thead", {}, el("tr", {}, ...columns.map((column) => el("th", { scope: "col", class: kind(column) }, column.title)))),
      el(
        "tbody",
        {},
        ...rows.map((row) => el("tr", {}, ...columns.map((column) => el("td", { class: kind(column) }, column.cell(row))))),
      ),
    ),
  );
}

/**
 * @param {[string, Child][]} pairs what, and how much
 * @returns {HTMLElement}
 */
export function figures(pairs) {
  return el("dl", { class: "figures" }, ...pairs.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}

/**
 * @param {string} title
 * @param {...Child} content
 * @returns {HTMLElement}
 */
export function card(title, ...content) {
  return el("section", { class: "card" }, el("div", { class: "head" }, el("h2", {}, title)), ...content);
}

/**
 * A button that works while its work is under way, and says what came of it.
 * @param {string} text
 * @param {() => Promise<void>} work
 * @param {(error: Error) => void} failed
 * @param {string} [kind] of button
 */
export function button(text, work, failed, kind) {
  const element = el(
    "button",
    {
      type: "button",
      class: kind,
      on: {
        click: async () => {
          element.disabled = true;
          try {
            await work();
          } catch (error) {
            failed(error);
          } finally {
            element.disabled = false;
          }
        },
      },
    },
    text,
  );
  return element;
}

/** @param {string | null | undefined} digest of a component or a release */
export function short(digest) {
  return (digest ?? "").replace(/^sha256:/, "").slice(0, 12);
}

/** @param {number} at milliseconds since the epoch */
export function when(at) {
  return el("time", { datetime: new Date(at).toISOString() }, new Date(at).toLocaleString());
}

/** @param {number} bytes */
export function mebibytes(bytes) {
  return `${(bytes / 1024 / 1024).toFixed(bytes < 100 * 1024 * 1024 ? 1 : 0)} MiB`;
}

/** @param {number} value a second */
export function perSecond(value) {
  return value >= 100 ? value.toFixed(0) : value.toFixed(1);
}

/** @param {number | null} milliseconds */
export function latency(milliseconds) {
  if (milliseconds === null) {
    return "–";
  }
  return milliseconds >= 1000 ? `${(milliseconds / 1000).toFixed(1)} s` : `${Number(milliseconds.toPrecision(2))} ms`;
}
