/**
 * Invites sent and received, and whom they have connected. There is no list of connections: an
 * accepted invite is one.
 *
 * @typedef {import("./types.js").Invite} Invite
 */

import { call } from "./api.js";

export class Invites extends EventTarget {
  /** @type {Invite[]} newest first */
  sent = [];
  /** @type {Invite[]} newest first */
  received = [];
  /** Whether the two lists have been read at all. */
  loaded = false;
  /** Counts what was started and what is shown, so that a late answer never replaces a newer one. */
  #started = 0;
  #shown = 0;

  async refresh() {
    this.#started += 1;
    const turn = this.#started;
    const [sent, received] = await Promise.all([
      call("GET", "/request/invites/sent"),
      call("GET", "/request/invites/received"),
    ]);
    if (turn < this.#shown) {
      return;
    }
    this.#shown = turn;
    if (this.loaded && same(this.sent, sent.data) && same(this.received, received.data)) {
      return;
    }
    this.loaded = true;
    this.sent = sent.data;
    this.received = received.data;
    this.dispatchEvent(new Event("change"));
  }

  /** @param {string} toEmail */
  async send(toEmail) {
    await call("POST", "/request/invite/send", { json: { toEmail } });
    await this.refresh();
  }

  /**
   * @param {string} id
   * @param {"accepted" | "rejected"} status
   */
  async respond(id, status) {
    await call("PATCH", `/request/respond/${id}`, { json: { status } });
    await this.refresh();
  }

  /** @param {string} id */
  async cancel(id) {
    await call("DELETE", `/request/cancel/${id}`);
    await this.refresh();
  }

  /** @returns {Invite[]} received and waiting for an answer */
  waiting() {
    return this.received.filter((invite) => invite.status === "pending");
  }

  /** @returns {string[]} ids of the users one is connected with, latest first */
  connected() {
    const accepted = [
      ...this.sent.map((invite) => ({ invite, other: invite.toUserId })),
      ...this.received.map((invite) => ({ invite, other: invite.fromUserId })),
    ].filter(({ invite }) => invite.status === "accepted");
    accepted.sort((a, b) => b.invite.createdAt.localeCompare(a.invite.createdAt));
    return [...new Set(accepted.map(({ other }) => other))];
  }
}

/**
 * @param {Invite[]} before
 * @param {Invite[]} after
 */
function same(before, after) {
  return (
    before.length === after.length &&
    before.every((invite, index) => invite._id === after[index]._id && invite.status === after[index].status)
  );
}
