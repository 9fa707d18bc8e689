/** One tenant: what it does now, its releases, its dead letters, its settings. */

import { call } from "./api.js";
import { changes, openDeploy } from "./deploy.js";
import { confirm } from "./dialog.js";
import { button, card, el, figures, latency, mebibytes, perSecond, short, table, when } from "./dom.js";

/**
 * What changes every two seconds.
 * @param {any} status of the tenant, or undefined when it is not open here
 * @param {any} rates since the last look, or null
 * @returns {Node[]}
 */
export function live(status, rates) {
  if (!status) {
    return [el("p", { class: "soft" }, "It is not open on this host now: it opens with its first request.")];
  }
  const waiting = status.queues.reduce((sum, { waiting }) => sum + (waiting ?? 0), 0);
  return [
    figures([
      ["Requests a second", rates ? perSecond(rates.requests) : "…"],
      ["p99", rates ? latency(rates.p99) : "…"],
      ["Server errors a second", rates ? perSecond(rates.serverErrors) : "…"],
      ["CPU", rates ? `${(rates.cpu * 100).toFixed(0)} %` : "…"],
      ["Memory of instances", mebibytes(status.memory_bytes)],
      ...(status.stored_bytes ? [["Stored", `${mebibytes(status.stored_bytes)} in ${status.stored_documents} documents and blobs`]] : []),
      ["Sockets", `${status.sockets.sockets} of ${status.sockets.users} users`],
      ["Events waiting", waiting],
    ]),
    card(
      "Components",
      table(
        "Components",
        [
          { title: "Component", cell: ({ it }) => it.component },
          { title: "Release", cell: ({ it }) => el("code", { title: it.release }, short(it.release)) },
          { title: "Digest", cell: ({ it }) => el("code", { title: it.digest }, short(it.digest)) },
          { title: "Calls/s", number: true, cell: ({ rate }) => (rate ? perSecond(rate.calls) : "…") },
          { title: "CPU", number: true, cell: ({ rate }) => (rate ? `${(rate.cpu * 100).toFixed(0)} %` : "…") },
          { title: "Waits for CPU", number: true, cell: ({ rate }) => (rate ? `${(rate.throttled * 100).toFixed(0)} %` : "…") },
          { title: "Instances", number: true, cell: ({ it }) => it.instances },
          { title: "Memory", number: true, cell: ({ it }) => mebibytes(it.memory_bytes) },
          { title: "In flight", number: true, cell: ({ it }) => it.in_flight },
          { title: "Waiting", number: true, cell: ({ it }) => it.waiting },
          { title: "Overloaded", number: true, cell: ({ it }) => alarming(it.overloaded) },
          { title: "Late", number: true, cell: ({ it }) => alarming(it.deadline_exceeded) },
          { title: "Failed", number: true, cell: ({ it }) => alarming(it.failed) },
          { title: "Killed", number: true, cell: ({ it }) => alarming(it.killed) },
        ],
        status.components.map((it, at) => ({ it, rate: rates?.components[at] })),
      ),
    ),
    card(
      "Routes",
      table(
        "Routes",
        [
          { title: "Route", cell: ({ it }) => it.route || "/" },
          { title: "Component", cell: ({ it }) => it.component ?? "–" },
          { title: "Requests/s", number: true, cell: ({ rate }) => (rate ? perSecond(rate.requests) : "…") },
          { title: "p50", number: true, cell: ({ rate }) => (rate ? latency(rate.p50) : "…") },
          { title: "p99", number: true, cell: ({ rate }) => (rate ? latency(rate.p99) : "…") },
          { title: "2xx", number: true, cell: ({ it }) => it.responses[1] },
          { title: "3xx", number: true, cell: ({ it }) => it.responses[2] },
          { title: "4xx", number: true, cell: ({ it }) => it.responses[3] },
          { title: "5xx", number: true, cell: ({ it }) => alarming(it.responses[4]) },
        ],
        status.routes.map((it, at) => ({ it, rate: rates?.routes[at] })),
      ),
    ),
    card(
      "Queues",
      table(
        "Queues",
        [
          { title: "Queue", cell: (it) => it.queue },
          { title: "Waiting", number: true, cell: (it) => it.waiting ?? "?" },
          { title: "Dead letters", number: true, cell: (it) => alarming(it.dead ?? "?") },
        ],
        status.queues,
      ),
    ),
  ];
}

/** @param {number | string} count that should be none */
function alarming(count) {
  return Number(count) > 0 ? el("span", { class: "bad" }, count) : count;
}

/**
 * What changes when somebody acts.
 * @param {string} name
 * @param {{say: (text: string) => void, failed: (error: Error) => void, reload: () => void}} page
 * @returns {Promise<Node[]>}
 */
export async function settled(name, page) {
  const path = `/v1/tenants/${encodeURIComponent(name)}`;
  const [record, releases, deployments, queues] = await Promise.all([
    call("GET", path),
    call("GET", `${path}/releases`),
    call("GET", `${path}/deployments`),
    // A tenant without a release has none.
    call("GET", `${path}/dead-letters`).catch(() => []),
  ]);
  const act = (text, work, kind) => button(text, work, page.failed, kind);
  const acted = (text) => {
    page.say(text);
    page.reload();
  };
  const head = el(
    "div",
    { class: "head" },
    el("h1", {}, name, " ", record.suspended && el("span", { class: "tag warn" }, "suspended")),
    el(
      "div",
      { class: "actions" },
      el("button", { type: "button", class: "main", on: { click: () => openDeploy(name, acted) } }, "Deploy"),
      act(record.suspended ? "Resume" : "Suspend", async () => {
        const suspended = !record.suspended;
        const work = async () => {
          await call("PATCH", path, { suspended });
          acted(suspended ? `${name} is suspended.` : `${name} is served again.`);
        };
        if (suspended) {
          confirm(`Refuse all clients of ${name}?`, "Suspend", null, work);
        } else {
          await work();
        }
      }),
    ),
  );
  return [
    head,
    releasesCard(record, releases, path, act, acted),
    card(
      "History",
      table(
        "History",
        [
          { title: "", number: true, cell: (it) => it.number },
          { title: "Release", cell: (it) => el("code", {}, short(it.release)) },
          { title: "How", cell: (it) => it.kind },
          { title: "When", cell: (it) => when(it.at) },
          { title: "By", cell: (it) => it.by },
        ],
        deployments.slice(0, 20),
      ),
    ),
    deadLetters(queues, path, act, acted),
    settings(record),
  ];
}

function releasesCard(record, releases, path, act, acted) {
  const takeBack = (release) =>
    act(
      "Roll back to this",
      async () => {
        const difference = await call("GET", `${path}/diff?from=${record.release}&to=${release.id}`);
        confirm(`Put release ${short(release.id)} in force?`, "Roll back", changes(difference), async () => {
          await call("POST", `${path}/rollback`, { to: release.id });
          acted(`Release ${short(release.id)} is in force.`);
        });
      },
      "small",
    );
  const end = (outcome, said) =>
    act(
      outcome === "promote" ? "Promote" : "Cancel",
      async () => {
        await call("POST", `${path}/canary/${outcome}`, {});
        acted(said);
      },
      "small",
    );
  const state = (release) => {
    if (release.in_force) {
      return el("span", { class: "tag" }, "in force");
    }
    return release.canary && el("span", { class: "tag warn" }, `${release.canary} % of the calls`);
  };
  const actions = (release) => {
    if (release.canary) {
      const id = short(release.id);
      return el(
        "span",
        { class: "actions" },
        end("promote", `Release ${id} is in force.`),
        end("cancel", `Release ${id} is taken away.`),
      );
    }
    return release.in_force ? null : takeBack(release);
  };
  return card(
    "Releases",
    table(
      "Releases",
      [
        { title: "Release", cell: (it) => el("code", { title: it.id }, short(it.id)) },
        { title: "", cell: state },
        { title: "Made", cell: (it) => when(it.created_at) },
        { title: "By", cell: (it) => it.created_by },
        {
          title: "Components",
          wide: true,
          cell: (it) =>
            Object.entries(it.components)
              .map(([name, digest]) => `${name}@${short(digest).slice(0, 6)}`)
              .join(" "),
        },
        { title: "", cell: actions },
      ],
      releases,
    ),
  );
}

function deadLetters(queues, path, act, acted) {
  const dead = queues.flatMap(({ queue, dead }) => dead.map((letter) => ({ queue, ...letter })));
  if (dead.length === 0) {
    return card("Dead letters", el("p", { class: "soft" }, "None: every event found its consumer."));
  }
  const chosen = ({ queue, id }) => ({ queue, id });
  return card(
    "Dead letters",
    table(
      "Dead letters",
      [
        { title: "Queue", cell: (it) => it.queue },
        { title: "Died", cell: (it) => when(it.died_at) },
        { title: "Attempts", number: true, cell: (it) => it.attempts },
        {
          title: "Reason",
          wide: true,
          cell: (it) => el("details", {}, el("summary", {}, it.reason || "unknown"), el("pre", {}, it.payload)),
        },
        {
          title: "",
          cell: (it) =>
            el(
              "span",
              { class: "actions" },
              act(
                "Replay",
                async () => {
                  await call("POST", `${path}/dead-letters/replay`, chosen(it));
                  acted("The event is back in its queue.");
                },
                "small",
              ),
              act(
                "Discard",
                async () =>
                  confirm("Drop this event for good?", "Discard", el("pre", { class: "changes" }, it.payload), async () => {
                    await call("POST", `${path}/dead-letters/discard`, chosen(it));
                    acted("The event is dropped.");
                  }),
                "small",
              ),
            ),
        },
      ],
      dead,
    ),
  );
}

function settings(record) {
  const budgets = Object.entries(record.budgets).filter(([, number]) => number !== null);
  const rows = [
    ["Host names", record.hosts.join(", ") || "none"],
    ["Variables", Object.entries(record.variables).map(([name, value]) => `${name} = ${value}`).join("\n") || "the manifest's"],
    ["Secrets", record.secrets.join(", ") || "none set: made by the host where the manifest needs them"],
    ["Budgets", budgets.map(([name, number]) => `${name} = ${number}`).join("\n") || "the operator's"],
    ["Signers", record.signers.join("\n") || "none: unsigned releases are taken"],
    ["Made", new Date(record.created_at).toLocaleString()],
  ];
  const columns = [
    { title: "Setting", cell: ([name]) => name },
    { title: "Value", wide: true, cell: ([, value]) => el("pre", {}, value) },
  ];
  return card("Settings", table("Settings", columns, rows));
}
