/**
 * Starts the client: finds out who is signed in, builds what the views ask, shows them. Whoever signs
 * out, here or elsewhere, starts again from a fresh page, so nothing of one user is left for the next.
 */

import { onSessionEnded } from "./api.js";
import { Chats } from "./chats.js";
import { Connection } from "./connection.js";
import { deliver } from "./delivery.js";
import { el } from "./dom.js";
import { keepFresh } from "./freshness.js";
import { Histories } from "./histories.js";
import { Invites } from "./invites.js";
import { Outbox } from "./outbox.js";
import { People } from "./people.js";
import { Reads } from "./reads.js";
import { announceUser, logOut, onUserChangedElsewhere, whoAmI } from "./session.js";
import { shell } from "./views/shell.js";
import { signInView } from "./views/sign-in.js";

/** Tells the sign-in page, across the reload, that a session ended. */
const ENDED_KEY = "pingtalk.ended";

const root = /** @type {HTMLElement} */ (document.getElementById("app"));

async function start() {
  let me;
  try {
    me = await whoAmI();
  } catch (error) {
    showStartError(error);
    return;
  }
  if (me) {
    enter(me);
  } else {
    const ended = sessionStorage.getItem(ENDED_KEY) !== null;
    sessionStorage.removeItem(ENDED_KEY);
    root.replaceChildren(signInView(enter, ended));
  }
}

/**
 * The page's second half: from here on somebody is signed in.
 * @param {import("./types.js").Profile} me
 */
function enter(me) {
  const connection = new Connection();
  /** @type {import("./types.js").App} */
  const app = {
    me,
    connection,
    people: new People(me),
    invites: new Invites(),
    chats: new Chats(me.userId, new Reads(me.userId)),
    histories: new Histories(),
    outbox: new Outbox(me.userId, connection),
  };
  let leaving = false;
  const over = () => leaving || sessionIsOver();
  const leave = async () => {
    leaving = true; // What follows from it is no surprise.
    connection.stop();
    try {
      await logOut();
      location.assign("/");
    } catch (error) {
      leaving = false;
      connection.start();
      throw error;
    }
  };
  onSessionEnded(over);
  connection.addEventListener("ended", over);
  announceUser(me.userId);
  onUserChangedElsewhere(me.userId, () => location.reload());

  deliver(app);
  root.replaceChildren(shell(app, leave));
  keepFresh(app);
  connection.start();
}

function sessionIsOver() {
  sessionStorage.setItem(ENDED_KEY, "yes");
  location.reload();
}

/** @param {unknown} error */
function showStartError(error) {
  const text = error instanceof Error ? error.message : "Something went wrong.";
  const again = el("button", { type: "button", class: "primary", on: { click: () => location.reload() } }, "Try again");
  root.replaceChildren(el("main", { class: "loading", role: "alert" }, el("p", {}, text), again));
}

start();
