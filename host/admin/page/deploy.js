/** The dialog that deploys: choose files, see what would change, then do it. */

import { call, hasArtifact, putArtifact } from "./api.js";
import { show } from "./dialog.js";
import { button, el, short } from "./dom.js";

/**
 * @param {string} tenant
 * @param {(text: string) => void} done
 */
export function openDeploy(tenant, done) {
  const files = el("input", { type: "file", multiple: true, accept: ".wasm,.toml" });
  const share = el("input", { type: "number", min: 1, max: 99, placeholder: "all" });
  const outcome = el("div", { class: "steps", "aria-live": "polite" });
  const dialog = el("dialog", { "aria-label": `Deploy to ${tenant}` });
  const failed = (error) => outcome.replaceChildren(el("p", { class: "bad" }, error.message));
  const check = button(
    "Check",
    async () => {
      const deployment = await upload([...files.files], outcome);
      deployment.canary = share.value === "" ? null : Number(share.value);
      const path = `/v1/tenants/${tenant}/deployments`;
      const report = await call("POST", path, { ...deployment, dry_run: true });
      const deploy = button(
        "Deploy",
        async () => {
          const { release, deployed } = await call("POST", path, deployment);
          dialog.close();
          done(deployed ? `Release ${short(release)} is deployed to ${tenant}.` : "This release was in force already.");
        },
        failed,
        "main",
      );
      outcome.replaceChildren(
        el("p", {}, `Release ${short(report.release)} against ${short(report.before) || "none"}:`),
        changes(report.changes),
        ...report.warnings.map((warning) => el("p", { class: "notice warn" }, warning)),
        deploy,
      );
      deploy.focus();
    },
    failed,
  );
  dialog.append(
    el(
      "div",
      { class: "steps" },
      el("h2", {}, `Deploy to ${tenant}`),
      el("label", {}, "Components (NAME.wasm) and, if it changes, spin.toml", files),
      el("label", {}, "Share of the calls in percent, for a trial", share),
      el(
        "div",
        { class: "actions" },
        check,
        el("button", { type: "button", on: { click: () => dialog.close() } }, "Cancel"),
      ),
      outcome,
    ),
  );
  show(dialog);
}

/**
 * Reads the files and brings what the host lacks there.
 * @param {File[]} files
 * @param {HTMLElement} outcome
 * @returns {Promise<any>} a deployment
 */
async function upload(files, outcome) {
  if (files.length === 0) {
    throw new Error("Choose the files first.");
  }
  if (!crypto.subtle) {
    throw new Error("The browser computes digests over https or on localhost only: use `pingtalk deploy` here.");
  }
  const deployment = { manifest: null, components: {}, canary: null };
  for (const file of files) {
    if (file.name.endsWith(".toml")) {
      deployment.manifest = await file.text();
      continue;
    }
    const bytes = await file.arrayBuffer();
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    const digest = [...hash].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    if (!(await hasArtifact(digest))) {
      const bar = el("progress", { max: 1, value: 0 });
      outcome.replaceChildren(el("label", {}, `Uploading ${file.name}`, bar));
      await putArtifact(digest, bytes, (progress) => (bar.value = progress));
    }
    deployment.components[file.name.replace(/\.wasm$/, "").replace(/^pingtalk_/, "")] = digest;
  }
  outcome.replaceChildren(el("label", {}, "Checking: compiling what is new, starting every component", el("progress")));
  return deployment;
}

/**
 * @param {any} list of `Changes`
 * @returns {HTMLElement}
 */
export function changes({ components, granted, withdrawn, settings }) {
  const lines = components.flatMap((it) => [
    `${it.name}  ${short(it.before) || "none"} → ${short(it.after) || "none"}`,
    ...it.imports_added.map((name) => `  + imports ${name}`),
    ...it.imports_removed.map((name) => `  − imports ${name}`),
    ...it.exports_added.map((name) => `  + exports ${name}`),
    ...it.exports_removed.map((name) => `  − exports ${name}`),
  ]);
  lines.push(...granted.map((grant) => `+ grant ${grant}`), ...withdrawn.map((grant) => `− grant ${grant}`));
  lines.push(...settings.map((it) => `${it.path}: ${it.before ?? "not set"} → ${it.after ?? "not set"}`));
  return el("pre", { class: "changes", tabindex: 0 }, lines.length > 0 ? lines.join("\n") : "no difference");
}
