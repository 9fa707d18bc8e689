/** A chat's messages, oldest at the top, with earlier pages on demand and new ones announced. */

import { el, reconcile } from "../dom.js";
import { day } from "../times.js";
import { toast } from "../toast.js";
import { messageItem, outgoingItem } from "./message.js";

/** How near to an end of the list counts as being there, in pixels. */
const NEAR = 80;

/**
 * @param {import("../types.js").App} app
 * @param {string} chatId
 * @param {AbortSignal} signal ends it
 * @returns {{node: HTMLElement, toEnd: () => void}}
 */
export function messageLog(app, chatId, signal) {
  const { chats, histories, outbox, people } = app;
  const list = el("ol", {
    class: "messages",
    role: "log",
    "aria-label": "Messages",
    "aria-live": "polite",
    "aria-relevant": "additions",
  });
  const earlier = el(
    "button",
    { type: "button", class: "earlier", hidden: true, on: { click: loadEarlier } },
    "Show earlier messages",
  );
  const newer = el("button", { type: "button", class: "newer", hidden: true, on: { click: toEnd } }, "New messages");
  const scroller = el(
    "div",
    { class: "scroller", role: "region", tabindex: "0", "aria-label": "History", on: { scroll: onScroll } },
    earlier,
    list,
  );
  /** @type {Map<string, HTMLElement>} by key */
  let items = new Map();
  let atEnd = true;

  function show() {
    const history = histories.of(chatId);
    /** @type {Map<string, HTMLElement>} */
    const next = new Map();
    /** @type {Node[]} */
    const nodes = [];
    let lastDay = "";
    /** @type {import("../types.js").Message | null} */
    let before = null;

    /**
     * @param {string} key
     * @param {() => HTMLElement} build
     */
    const place = (key, build) => {
      const node = items.get(key) ?? build();
      next.set(key, node);
      nodes.push(node);
    };

    for (const message of history.messages) {
      const today = day(message.createdAt);
      if (today !== lastDay) {
        place(`day ${today}`, () => el("li", { class: "day" }, today));
      }
      const follows = today === lastDay && before?.senderId === message.senderId;
      lastDay = today;
      before = message;
      const name = people.name(message.senderId);
      place(`${message._id} ${follows} ${name}`, () => messageItem(app, message, follows));
    }
    for (const outgoing of outbox.of(chatId)) {
      place(`${outgoing.clientMessageId} ${outgoing.state}`, () => outgoingItem(app, outgoing));
    }
    if (nodes.length === 0) {
      place("empty", () =>
        el("li", { class: "empty" }, history.loaded ? "No messages yet. Write the first one." : "Loading messages …"),
      );
    }

    const lastBefore = list.lastElementChild;
    items = next;
    reconcile(list, nodes);
    earlier.hidden = !history.hasOlder;
    if (atEnd) {
      scroller.scrollTop = scroller.scrollHeight;
      markRead();
    } else if (lastBefore !== list.lastElementChild) {
      newer.hidden = false;
    }
  }

  function onScroll() {
    atEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR;
    histories.of(chatId).reading = !atEnd;
    if (atEnd) {
      newer.hidden = true;
      markRead();
    } else if (scroller.scrollTop < NEAR) {
      loadEarlier();
    }
  }

  async function loadEarlier() {
    const history = histories.of(chatId);
    if (!history.hasOlder || history.loading || !history.loaded) {
      return;
    }
    list.setAttribute("aria-busy", "true"); // Old messages aren't news to be read out.
    const fromBottom = scroller.scrollHeight - scroller.scrollTop;
    const focusWasHere = document.activeElement === earlier;
    try {
      await histories.loadOlder(chatId);
      scroller.scrollTop = scroller.scrollHeight - fromBottom;
    } catch (error) {
      toast(`Earlier messages can't be loaded: ${error instanceof Error ? error.message : error}`, "error");
    } finally {
      list.removeAttribute("aria-busy");
      if (focusWasHere && earlier.hidden) {
        scroller.focus();
      }
    }
  }

  function toEnd() {
    atEnd = true;
    newer.hidden = true;
    scroller.scrollTop = scroller.scrollHeight;
    markRead();
  }

  function markRead() {
    if (document.visibilityState === "visible" && histories.of(chatId).loaded) {
      chats.markRead(chatId);
    }
  }

  /** @param {Event} event */
  const showIfOurs = (event) => {
    if (/** @type {CustomEvent<string>} */ (event).detail === chatId) {
      show();
    }
  };
  histories.addEventListener("change", showIfOurs, { signal });
  outbox.addEventListener("change", showIfOurs, { signal });
  people.addEventListener("change", show, { signal });
  chats.addEventListener("change", () => atEnd && markRead(), { signal });
  document.addEventListener("visibilitychange", () => atEnd && markRead(), { signal });
  // A picture that arrives late makes the list longer; stay at its end.
  const resized = new ResizeObserver(() => {
    if (atEnd) {
      scroller.scrollTop = scroller.scrollHeight;
    }
  });
  resized.observe(list);
  resized.observe(scroller);
  signal.addEventListener("abort", () => {
    resized.disconnect();
    histories.of(chatId).reading = false;
  });

  show();
  histories.open(chatId).then(show, (error) => toast(`Messages can't be loaded: ${error.message}`, "error"));
  return { node: el("div", { class: "log" }, scroller, newer), toEnd };
}
