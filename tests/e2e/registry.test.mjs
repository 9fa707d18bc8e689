/** An application's way through an OCI registry: pushed from a checkout, deployed to a tenant. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { eventually } from "./client.mjs";
import { BINARY, freePort, startHost } from "./host.mjs";
import { component, componentFile, variant } from "./operator.mjs";

/** Debian's `docker-registry`, the reference implementation. */
class Registry {
  #child = null;
  #folder = mkdtempSync(join(tmpdir(), "pingtalk-e2e-registry-"));

  async start() {
    this.address = `127.0.0.1:${await freePort()}`;
    const config = join(this.#folder, "config.yml");
    const lines = [
      "version: 0.1",
      "log: {level: error, accesslog: {disabled: true}}",
      `storage: {filesystem: {rootdirectory: ${this.#folder}}}`,
      `http: {addr: "${this.address}"}`,
    ];
    writeFileSync(config, lines.join("\n"));
    this.#child = spawn("docker-registry", ["serve", config], { stdio: "ignore" });
    process.once("exit", () => this.#child?.kill("SIGKILL"));
    await eventually(async () => {
      const response = await fetch(`http://${this.address}/v2/`, { signal: AbortSignal.timeout(1_000) });
      assert.equal(response.status, 200);
    });
  }

  close() {
    this.#child?.kill("SIGKILL");
    this.#child = null;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

describe("an OCI registry", { skip: BINARY ? false : "needs PINGTALK_BIN", timeout: 180_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), "pingtalk-e2e-oci-"));
  const registry = new Registry();
  let host;

  before(async () => {
    await registry.start();
    host = await startHost();
  });
  after(async () => {
    await host?.close();
    registry.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function run(...words) {
    const { code, stdout, stderr } = await host.command(...words);
    assert.equal(code, 0, `pingtalk ${words.join(" ")}: ${stdout}${stderr}`);
    return stdout.trim();
  }

  it("holds an application that another tenant is deployed from, by tag or digest", async () => {
    const name = `${registry.address}/team/pingtalk:1.2`;
    const pushed = await run("push", name, ".");
    assert.match(pushed, new RegExp(`^${registry.address}/team/pingtalk(@sha256:[0-9a-f]{64}|:1\\.2)$`));
    await run("tenants", "create", "shop");
    assert.match(await run("deploy", "--tenant", "shop", name), /is in force for shop/);
    assert.match(await run("deploy", "--tenant", "shop", pushed), /was in force for shop already/);
    // Equal content is one release, wherever it came from.
    assert.match(await run("deploy", "--tenant", "shop", "--dry-run", "."), /would be deployed to shop.*\n*$/);
    assert.match(await run("tenants", "list"), /shop/);
  });

  it("holds single components", async () => {
    const file = join(folder, "chat.wasm");
    writeFileSync(file, variant(component("chat"), 3));
    const name = `${registry.address}/team/chat:3`;
    await run("push", name, file);
    assert.match(await run("deploy", "--tenant", "shop", "--component", "chat", name), /chat +[0-9a-f]{12} -> /);
  });

  it("says what is not there, and what is none", async () => {
    for (const [name, why] of [
      [`${registry.address}/team/nothing:1`, /can't be read/],
      ["127.0.0.1:1/team/chat:1", /can't be read/],
    ]) {
      const { code, stderr } = await host.command("deploy", "--tenant", "shop", name);
      assert.equal(code, 1);
      assert.match(stderr, why);
    }
    const { code, stderr } = await host.command("push", "no-registry", componentFile("chat"));
    assert.equal(code, 1);
    assert.match(stderr, /write it as in registry/);
  });
});
