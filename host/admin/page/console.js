/** The console: asks for the token, looks at the host every two seconds, shows one view at a time. */

import { ApiError, call, token } from "./api.js";
import { card, el, figures, latency, mebibytes, perSecond, short, table, when } from "./dom.js";
import * as rates from "./rates.js";
import { live, settled } from "./tenant.js";

const LOOK_EVERY = 2_000;
/** Looks that rates are made of: over ten seconds a quiet tenant's don't flicker. */
const LOOKS = 6;
/** Rows of the tenants' table; the filter finds the others. */
const MAX_ROWS = 100;

const main = document.querySelector("#main");
const nav = document.querySelector("#nav");
const stale = document.querySelector("#stale");
const toast = document.querySelector("#toast");

/** The last looks, the first and the last of which make rates, and the tenants' records. */
const state = { looks: [], before: null, now: null, records: [], seen: 0, filter: "" };
/** Draws the figures of the view that is shown. */
let draw = () => {};
/** Counts views, so that one that comes late is not shown. */
let view = 0;

/** @param {string} text */
function say(text) {
  toast.textContent = text;
  toast.hidden = false;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => (toast.hidden = true), 6_000);
}
say.timer = 0;

/** @param {Error} error */
function failed(error) {
  if (error instanceof ApiError && error.status === 401) {
    askForToken(error.message);
  } else {
    say(error.message);
  }
}

/** @param {string} [problem] */
function askForToken(problem) {
  token.forget();
  nav.hidden = true;
  draw = () => {};
  view += 1;
  const input = el("input", { type: "password", autocomplete: "off", required: true, name: "token" });
  const form = el(
    "form",
    {
      class: "card gate",
      on: {
        submit: (event) => {
          event.preventDefault();
          token.set(input.value.trim());
          start();
        },
      },
    },
    el("h1", {}, "Sign in"),
    el("label", {}, "Admin token", input),
    el("p", { class: "soft" }, "A host that was given no tokens keeps one in its data directory: secrets/admin_token."),
    problem && el("p", { class: "bad", role: "alert" }, problem),
    el("button", { class: "main" }, "Sign in"),
  );
  main.replaceChildren(form);
  input.focus();
}

async function start() {
  Object.assign(state, { looks: [], before: null, now: null });
  if (await look()) {
    nav.hidden = false;
    await show();
  }
}

/** @returns {Promise<boolean>} whether it was answered */
async function look() {
  try {
    const [status, records] = await Promise.all([call("GET", "/v1/status"), call("GET", "/v1/tenants")]);
    // After a restart the counters start again.
    const same = state.looks.filter((look) => look.uptime_seconds < status.uptime_seconds);
    state.looks = [...same, status].slice(-LOOKS);
    [state.before, state.now, state.records, state.seen] = [same.length > 0 ? state.looks[0] : null, status, records, Date.now()];
    stale.hidden = true;
    draw();
    return true;
  } catch (error) {
    if (error instanceof ApiError && error.status !== 0 && error.status !== 503) {
      failed(error);
    } else {
      stale.textContent = `${error.message} Last seen ${state.seen ? new Date(state.seen).toLocaleTimeString() : "never"}.`;
      stale.hidden = false;
    }
    return false;
  }
}

async function keepLooking() {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY));
    // A hidden page and one without a token ask for nothing.
    if (!document.hidden && token.get() && !nav.hidden) {
      await look();
    }
  }
}

/** Shows what the address says. */
async function show() {
  view += 1;
  const shown = view;
  const [, place, name] = location.hash.split("/");
  try {
    if (place === "audit") {
      await showAudit(shown);
    } else if (place === "tenants" && name) {
      await showTenant(decodeURIComponent(name), shown);
    } else {
      showTenants();
    }
  } catch (error) {
    if (shown === view) {
      draw = () => {};
      main.replaceChildren(el("p", { class: "bad" }, error.message));
      failed(error);
    }
  }
}

function hostFigures() {
  const { now, before } = state;
  const seconds = rates.between(before, now);
  const cpu = seconds ? `${((rates.grown(before.cpu_seconds, now.cpu_seconds) / seconds) * 100).toFixed(0)} %` : "…";
  return figures([
    ["Version", now.version],
    ["Up for", uptime(now.uptime_seconds)],
    ["Memory", mebibytes(now.memory_bytes)],
    ["CPU", `${cpu} of ${now.cores * 100} %`],
    ["Connections", now.gateway.connections],
    ["Requests in flight", now.gateway.in_flight],
    ["Over a rate limit", now.gateway.rate_limited],
    ["Tenants open", `${now.tenants.length} of ${now.tenants_known}`],
  ]);
}

function showTenants() {
  const filter = el("input", {
    class: "filter",
    type: "search",
    placeholder: "Filter by name",
    "aria-label": "Filter tenants by name",
    value: state.filter,
    on: {
      input: () => {
        state.filter = filter.value;
        draw();
      },
    },
  });
  const [host, rows] = [el("div"), el("div")];
  const section = card("Tenants", rows);
  section.firstChild.append(filter);
  main.replaceChildren(host, section);
  draw = () => {
    host.replaceChildren(hostFigures());
    rows.replaceChildren(tenantsTable());
  };
  draw();
}

function tenantsTable() {
  const seconds = rates.between(state.before, state.now);
  const matching = state.records.filter(({ name, hosts }) => [name, ...hosts].some((it) => it.includes(state.filter)));
  const rows = matching.slice(0, MAX_ROWS).map((record) => {
    const status = rates.find(state.now.tenants, "name", record.name);
    const before = rates.find(state.before?.tenants, "name", record.name);
    return { record, status, rate: status && seconds ? rates.tenant(before, status, seconds) : null };
  });
  const count = (items, field) => items.reduce((sum, item) => sum + (item[field] ?? 0), 0);
  const number = (title, cell) => ({ title, number: true, cell: (row) => (row.status ? cell(row) : "") });
  const rated = (title, cell) => number(title, (row) => (row.rate ? cell(row.rate) : "…"));
  const shown = table(
    "Tenants",
    [
      { title: "Tenant", cell: ({ record }) => el("a", { href: `#/tenants/${encodeURIComponent(record.name)}` }, record.name) },
      { title: "Release", cell: ({ record }) => el("code", { title: record.release }, short(record.release) || "none") },
      { title: "", cell: tag },
      rated("Requests/s", (rate) => perSecond(rate.requests)),
      rated("p99", (rate) => latency(rate.p99)),
      rated("4xx/s", (rate) => perSecond(rate.clientErrors)),
      rated("5xx/s", (rate) => (rate.serverErrors > 0 ? el("span", { class: "bad" }, perSecond(rate.serverErrors)) : "0.0")),
      rated("CPU", (rate) => `${(rate.cpu * 100).toFixed(0)} %`),
      number("Instances", ({ status }) => count(status.components, "instances")),
      number("Memory", ({ status }) => mebibytes(status.memory_bytes)),
      number("Sockets", ({ status }) => status.sockets.sockets),
      number("Waiting", ({ status }) => count(status.queues, "waiting")),
      number("Dead", ({ status }) => {
        const dead = count(status.queues, "dead");
        return dead > 0 ? el("span", { class: "bad" }, dead) : dead;
      }),
      { title: "Host names", wide: true, cell: ({ record }) => record.hosts.join(" ") },
    ],
    rows,
  );
  if (matching.length > MAX_ROWS) {
    shown.append(el("p", { class: "notice soft" }, `The first ${MAX_ROWS} of ${matching.length}: filter to see others.`));
  }
  return shown;
}

function tag({ record, status }) {
  if (record.suspended) {
    return el("span", { class: "tag warn" }, "suspended");
  }
  if (record.canary) {
    return el("span", { class: "tag warn" }, `trial ${record.canary.percent} %`);
  }
  return status ? null : el("span", { class: "soft" }, record.release ? "idle" : "no release");
}

/**
 * @param {string} name
 * @param {number} shown
 */
async function showTenant(name, shown) {
  const reload = () => show().catch(failed);
  const [head, ...rest] = await settled(name, { say, failed, reload });
  if (shown !== view) {
    return;
  }
  const figuresNow = el("div", { class: "steps" });
  main.replaceChildren(head, figuresNow, ...rest);
  draw = () => {
    const seconds = rates.between(state.before, state.now);
    const status = rates.find(state.now.tenants, "name", name);
    const before = rates.find(state.before?.tenants, "name", name);
    figuresNow.replaceChildren(...live(status, status && seconds ? rates.tenant(before, status, seconds) : null));
  };
  draw();
}

/** @param {number} shown */
async function showAudit(shown) {
  const entries = await call("GET", "/v1/audit?limit=200");
  if (shown !== view) {
    return;
  }
  draw = () => {};
  main.replaceChildren(
    card(
      "Audit log",
      table(
        "Audit log",
        [
          { title: "", number: true, cell: (it) => it.number },
          { title: "When", cell: (it) => when(it.at) },
          { title: "By", cell: (it) => it.by },
          { title: "From", cell: (it) => it.address },
          { title: "Action", cell: (it) => it.action },
          { title: "Tenant", cell: (it) => it.tenant },
          { title: "Outcome", wide: true, cell: (it) => el("span", { class: it.outcome === "ok" ? null : "bad" }, it.outcome) },
        ],
        entries,
      ),
    ),
  );
}

/** @param {number} seconds */
function uptime(seconds) {
  const units = [
    [86_400, "d"],
    [3_600, "h"],
    [60, "min"],
    [1, "s"],
  ];
  const [size, unit] = units.find(([size]) => seconds >= Number(size)) ?? [1, "s"];
  return `${Math.floor(seconds / Number(size))} ${unit}`;
}

document.querySelector("#sign-out").addEventListener("click", () => askForToken());
addEventListener("hashchange", () => token.get() && show());
if (token.get()) {
  start();
} else {
  askForToken();
}
keepLooking();
