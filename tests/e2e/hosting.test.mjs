/** Tenants, releases and the operator's commands, as an operator and the tenants' clients see them. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Client, eventually } from "./client.mjs";
import { BINARY, startHost } from "./host.mjs";
import { component, componentFile, Operator, variant } from "./operator.mjs";
import { newEmail, PASSWORD } from "./people.mjs";
import { Sockets } from "./sockets.mjs";

const SHOP = "shop.example.org";

describe("hosting", { skip: BINARY ? false : "needs PINGTALK_BIN", timeout: 600_000 }, () => {
  let host;
  let operator;
  const folder = mkdtempSync(join(tmpdir(), "pingtalk-e2e-hosting-"));

  before(async () => {
    host = await startHost();
    operator = new Operator(host);
  });
  after(async () => {
    await host?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** A command that must succeed. */
  async function run(...words) {
    const { code, stdout, stderr } = await host.command(...words);
    assert.equal(code, 0, `pingtalk ${words.join(" ")}: ${stdout}${stderr}`);
    return stdout;
  }

  /** A command that must fail. */
  async function refused(...words) {
    const { code, stdout, stderr } = await host.command(...words);
    assert.equal(code, 1, `pingtalk ${words.join(" ")} should fail: ${stdout}`);
    return stderr;
  }

  /** A user of the tenant behind a host name. */
  async function signUp(hostName) {
    const client = new Client(host.url);
    const emailId = newEmail();
    const { status, body } = await client.post(
      "/auth/signup",
      { firstName: "Ada", lastName: "Lovelace", emailId, password: PASSWORD },
      { headers: { host: hostName } },
    );
    return { client, emailId, status, body };
  }

  it("makes a tenant, deploys to it, and serves it under its name", async () => {
    assert.match(await run("tenants", "create", "shop", "--host", SHOP), /tenant shop is there/);
    const before = await signUp(SHOP);
    assert.equal(before.status, 503, "no release yet");
    assert.match(await refused("tenants", "create", "shop"), /shop/);
    assert.match(await run("deploy", "--tenant", "shop", "--dry-run", "."), /would be deployed to shop/);
    assert.match(await run("deploy", "--tenant", "shop", "."), /is in force for shop/);
    assert.match(await run("deploy", "--tenant", "shop", "."), /was in force for shop already/);
    const { status, body } = await signUp(SHOP);
    assert.equal(status, 201, JSON.stringify(body));
    assert.match(await run("tenants", "list"), /shop +[0-9a-f]+ +served +shop\.example\.org/);
  });

  it("keeps tenants apart: accounts, sessions, sockets", async () => {
    const inShop = await signUp(SHOP);
    assert.equal(inShop.status, 201);
    const login = (hostName) =>
      new Client(host.url).post(
        "/auth/login",
        { emailId: inShop.emailId, password: PASSWORD },
        { headers: { host: hostName } },
      );
    assert.equal((await login(SHOP)).status, 200);
    assert.notEqual((await login("localhost")).status, 200, "unknown to the default tenant");
    // Each tenant signs with a secret of its own.
    const elsewhere = await inShop.client.get("/profile/getProfile", { headers: { host: "localhost" } });
    assert.equal(elsewhere.status, 401, JSON.stringify(elsewhere.body));
    const sockets = new Sockets(host.url);
    const headers = { cookie: inShop.client.cookie };
    try {
      const refusal = await sockets.refusal({ cookie: null }, { extraHeaders: headers, transports: ["websocket"] });
      assert.match(refusal, /Unauthorized/);
      await sockets.connect(
        { cookie: null },
        { extraHeaders: { ...headers, host: SHOP }, transports: ["websocket"] },
      );
    } finally {
      sockets.closeAll();
    }
  });

  it("switches one component, says what differs, and takes it back", async () => {
    const file = join(folder, "chat.wasm");
    writeFileSync(file, variant(component("chat"), 1));
    const deployed = await run("deploy", "--tenant", "shop", "--component", "chat", file);
    const [, release, before] = /release (\w+) is in force for shop \(before: (\w+)\)/.exec(deployed);
    assert.match(deployed, /chat +[0-9a-f]{12} -> [0-9a-f]{12}/);
    assert.doesNotMatch(deployed, /auth/);
    assert.match(await run("diff", before, release, "--tenant", "shop"), /chat +[0-9a-f]{12} -> /);
    assert.match(await run("releases", "--tenant", "shop"), new RegExp(`^\\* +${release}`, "m"));
    assert.match(await run("rollback", "--tenant", "shop"), new RegExp(`release ${before} is in force`));
    assert.match(await run("releases", "--tenant", "shop", "--history"), /rollback/);
    assert.match(await run("rollback", release.slice(0, 6), "--tenant", "shop"), new RegExp(`release ${release}`));
    assert.match(await refused("rollback", "ffffff", "--tenant", "shop"), /ffffff/);
  });

  it("tries a release on a share of the calls", async () => {
    const file = join(folder, "auth.wasm");
    writeFileSync(file, variant(component("auth"), 2));
    const tried = await run("deploy", "--tenant", "shop", "--canary", "25%", file);
    assert.match(tried, /serves 25% of the calls of shop/);
    const shop = (await operator.status()).tenants.find(({ name }) => name === "shop");
    assert.equal(shop.canary[1], 25);
    assert.match(await run("canary", "cancel", "--tenant", "shop"), /is taken away from shop/);
    await run("deploy", "--tenant", "shop", "--canary", "25%", file);
    assert.match(await run("canary", "promote", "--tenant", "shop"), /is in force for shop/);
    assert.match(await refused("canary", "promote", "--tenant", "shop"), /no release on trial/);
  });

  it("refuses what is broken and leaves the tenant as it was", async () => {
    const broken = join(folder, "broken.wasm");
    writeFileSync(broken, Buffer.concat([component("chat").subarray(0, 5000)]));
    const before = await run("tenants", "show", "shop");
    assert.match(await refused("deploy", "--tenant", "shop", "--component", "chat", broken), /component/);
    assert.match(await refused("deploy", "--tenant", "shop", "--component", "nothing", componentFile("chat")), /nothing/);
    assert.match(await refused("deploy", "--tenant", "nobody", "."), /nobody/);
    assert.match(await refused("deploy", "--tenant", "shop", "nowhere"), /no file or folder/);
    assert.equal(await run("tenants", "show", "shop"), before);
    assert.equal((await signUp(SHOP)).status, 201);
  });

  it("sets variables and secrets, shows no secret, and suspends", async () => {
    const file = join(folder, "secret");
    writeFileSync(file, "a secret of the shop, 32 bytes at least\n");
    const old = await signUp(SHOP);
    await run("secrets", "set", "jwt_secret", "--tenant", "shop", "--file", file);
    const shown = await run("tenants", "show", "shop");
    assert.match(shown, /^secret +jwt_secret$/m);
    assert.doesNotMatch(shown, /a secret of the shop/);
    assert.doesNotMatch(await run("audit"), /a secret of the shop/);
    await eventually(async () => {
      const { status } = await old.client.get("/profile/getProfile", { headers: { host: SHOP } });
      assert.equal(status, 401, "signed with the secret before");
    });
    await run("tenants", "change", "shop", "--suspend");
    assert.equal((await signUp(SHOP)).status, 503);
    assert.equal((await signUp("localhost")).status, 201, "others are served");
    await run("tenants", "change", "shop", "--resume");
    assert.equal((await signUp(SHOP)).status, 201);
  });

  it("shows what it does: status, metrics, audit log", async () => {
    assert.match(await run("status"), /^default +[0-9a-f]{12}/m);
    const { status, text } = await operator.call("GET", "/metrics");
    assert.equal(status, 200);
    assert.match(text, /^pingtalk_http_responses_total\{tenant="shop".*status="2xx"\} [1-9]/m);
    assert.match(text, /^pingtalk_component_instances\{tenant="default"/m);
    assert.match(await run("audit", "--tenant", "shop"), /release\.deploy +shop +ok/);
    assert.equal((await operator.call("GET", "/v1/status", { token: "guess" })).status, 401);
  });

  it("follows what another start put in force, and removes a tenant", async () => {
    const inForce = async () => /^\* +(\w+)/m.exec(await run("releases", "--tenant", "shop"))[1];
    const before = await inForce();
    await host.stop();
    await host.start();
    operator = new Operator(host);
    assert.equal(await inForce(), before);
    assert.equal((await signUp(SHOP)).status, 201);
    assert.match(await refused("tenants", "remove", "shop", "--confirm", "other"), /confirm/);
    await run("tenants", "remove", "shop", "--confirm", "shop");
    await eventually(async () => assert.notEqual((await signUp(SHOP)).status, 503));
    assert.doesNotMatch(await run("tenants", "list"), /^shop/m);
  });

  it("ends no session of a host that made its own secret", async () => {
    const own = await startHost({ env: { JWT_SECRET: "" } });
    try {
      const client = new Client(own.url);
      const names = { firstName: "Ada", lastName: "Lovelace" };
      const { status } = await client.post("/auth/signup", { ...names, emailId: newEmail(), password: PASSWORD });
      assert.equal(status, 201);
      const file = join(folder, "own.wasm");
      writeFileSync(file, variant(component("auth"), 9));
      const { code, stderr } = await own.command("deploy", "--component", "auth", file);
      assert.equal(code, 0, stderr);
      await eventually(async () => assert.equal((await client.get("/profile/getProfile")).status, 200));
    } finally {
      await own.close();
    }
  });

  it("drains when it is told to", async () => {
    assert.match(await run("drain"), /finishes the calls in hand/);
    await eventually(async () => {
      await assert.rejects(fetch(`${host.url}/health`, { signal: AbortSignal.timeout(2_000) }));
    });
  });
});
