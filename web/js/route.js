/**
 * Which part of the page is shown, kept in the address's fragment so that Back and a reload work:
 * `#/chats`, `#/people`, `#/chat/ID`.
 *
 * @typedef {{tab: "chats" | "people", chatId: string | null}} Route
 */

/** @returns {Route} */
export function currentRoute() {
  const [, place, id] = location.hash.split("/");
  if (place === "chat" && /^[0-9a-f]{24}$/.test(id ?? "")) {
    return { tab: "chats", chatId: id };
  }
  return { tab: place === "people" ? "people" : "chats", chatId: null };
}

/** @param {string} chatId */
export function chatAddress(chatId) {
  return `#/chat/${chatId}`;
}

/** @param {string} chatId */
export function goToChat(chatId) {
  location.hash = chatAddress(chatId);
}

export function goToChats() {
  location.hash = "#/chats";
}
