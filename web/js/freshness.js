/**
 * Asks now and then for what the server doesn't announce: new chats and invites. Only while the page
 * is visible, and at once when it becomes visible.
 *
 * @typedef {import("./types.js").App} App
 */

const CHATS_EVERY = 6_000;
/** Invites count against the request limit of the whole address, so less often. */
const INVITES_EVERY = 8_000;

/**
 * @param {App} app
 * @returns {() => void} stops it
 */
export function keepFresh({ chats, invites }) {
  const refreshChats = () => visible() && chats.refresh().catch(() => {});
  const refreshInvites = () => visible() && invites.refresh().catch(() => {});
  const onVisible = () => {
    refreshChats();
    refreshInvites();
  };
  const timers = [setInterval(refreshChats, CHATS_EVERY), setInterval(refreshInvites, INVITES_EVERY)];
  document.addEventListener("visibilitychange", onVisible);
  onVisible();
  return () => {
    timers.forEach(clearInterval);
    document.removeEventListener("visibilitychange", onVisible);
  };
}

function visible() {
  return document.visibilityState === "visible";
}
