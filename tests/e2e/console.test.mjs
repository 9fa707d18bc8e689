/**
 * The operator's console in Chromium: from signing in to a deployment and back. Screenshots go to
 * `SCREENSHOTS` (default: a temporary folder).
 */

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { chromium } from "playwright-core";
import { FLAGS } from "./browser.mjs";
import { BINARY, startHost } from "./host.mjs";
import { component, Operator, variant } from "./operator.mjs";
import { profileExists, signUp } from "./people.mjs";

const BOUND = 15_000;
const folder = process.env.SCREENSHOTS ?? mkdtempSync(join(tmpdir(), "pingtalk-screenshots-"));
mkdirSync(folder, { recursive: true });

describe("the operator's console", { skip: BINARY ? false : "needs PINGTALK_BIN", timeout: 240_000 }, () => {
  let host;
  let operator;
  let browser;
  let page;
  const files = mkdtempSync(join(tmpdir(), "pingtalk-e2e-console-"));
  /** What the page's policy refused, and what it threw. @type {string[]} */
  const complaints = [];

  before(async () => {
    host = await startHost();
    operator = new Operator(host);
    await operator.do("POST", "/v1/tenants", { name: "shop", hosts: ["shop.example.org"] });
    const user = await signUp(host.url);
    await profileExists(user);
    browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS });
    page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    page.setDefaultTimeout(BOUND);
    page.on("pageerror", (error) => complaints.push(`${error}`));
    page.on("console", (message) => {
      // A refused token is told by its status, which the browser logs too.
      if (message.type() === "error" && !/status of 40[13]/.test(message.text())) {
        complaints.push(message.text());
      }
    });
  });
  after(async () => {
    await browser?.close();
    await host?.close();
    rmSync(files, { recursive: true, force: true });
  });

  const shot = (name) => page.screenshot({ path: join(folder, `console-${name}.png`), fullPage: true });
  const see = (text) => page.getByText(text).first().waitFor();

  it("asks for a token, and refuses a wrong one", async () => {
    await page.goto(host.adminUrl);
    await page.getByLabel("Admin token").fill("a guess that is long enough");
    await page.getByRole("button", { name: "Sign in" }).click();
    await see("this token is not known here");
    await shot("1-sign-in");
    await page.getByLabel("Admin token").fill(host.adminToken);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("link", { name: "default" }).waitFor();
    assert.ok(!page.url().includes(host.adminToken));
  });

  it("shows the host and its tenants, and finds one by name", async () => {
    const user = await signUp(host.url);
    // Between two looks, so that there is a rate.
    for (let n = 0; n < 30; n += 1) {
      await user.clone().get("/profile/getProfile");
      await page.waitForTimeout(100);
    }
    await page.getByRole("cell", { name: /^\d+(\.\d)? ms$/ }).first().waitFor();
    await shot("2-tenants");
    await page.getByLabel("Filter tenants by name").fill("sho");
    assert.equal(await page.getByRole("link", { name: "default" }).count(), 0);
    await page.getByLabel("Filter tenants by name").fill("");
  });

  it("deploys after saying what changes, and rolls back", async () => {
    const file = join(files, "chat.wasm");
    writeFileSync(file, variant(component("chat"), 7));
    const before = (await operator.do("GET", "/v1/tenants/default")).release;
    await page.getByRole("link", { name: "default" }).click();
    await page.getByRole("button", { name: "Deploy" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel(/Components/).setInputFiles(file);
    await dialog.getByRole("button", { name: "Check" }).click();
    await dialog.getByText(/chat {2}[0-9a-f]{12} → [0-9a-f]{12}/).waitFor();
    assert.equal((await operator.do("GET", "/v1/tenants/default")).release, before, "only checked so far");
    await shot("3-deploy");
    await dialog.getByRole("button", { name: "Deploy" }).click();
    await see(/is deployed to default/);
    const deployed = (await operator.do("GET", "/v1/tenants/default")).release;
    assert.notEqual(deployed, before);
    await shot("4-tenant");
    await page.getByRole("button", { name: "Roll back to this" }).click();
    await dialog.getByRole("button", { name: "Roll back" }).click();
    await see(/is in force\./);
    assert.equal((await operator.do("GET", "/v1/tenants/default")).release, before);
  });

  it("tells why something is refused", async () => {
    const file = join(files, "nothing.wasm");
    writeFileSync(file, component("chat"));
    await page.getByRole("button", { name: "Deploy" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("button", { name: "Check" }).click();
    await dialog.getByText("Choose the files first.").waitFor();
    await dialog.getByLabel(/Components/).setInputFiles(file);
    await dialog.getByRole("button", { name: "Check" }).click();
    await dialog.getByText(/nothing.*is not in the manifest/).waitFor();
    await dialog.getByRole("button", { name: "Cancel" }).click();
  });

  it("suspends and resumes, and shows who did it", async () => {
    await page.goto(`${host.adminUrl}/#/tenants/shop`);
    await page.getByRole("button", { name: "Suspend" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Suspend" }).click();
    await see("shop is suspended.");
    await page.getByRole("button", { name: "Resume" }).click();
    await see("shop is served again.");
    await page.getByRole("link", { name: "Audit log" }).click();
    await see("tenant.change");
    await shot("5-audit");
  });

  it("works in the dark and on a narrow window", async () => {
    await page.emulateMedia({ colorScheme: "dark" });
    await page.setViewportSize({ width: 400, height: 800 });
    await page.goto(`${host.adminUrl}/#/tenants/default`);
    await page.getByRole("heading", { name: "default" }).waitFor();
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    assert.ok(overflow <= 0, `the page is ${overflow} px too wide`);
    await shot("6-narrow-dark");
  });

  it("says when the host is gone", async () => {
    await host.stop();
    await see("The host does not answer.");
    await shot("7-gone");
  });

  it("asked for nothing the page's policy forbids and threw nothing", () => {
    const gone = /ERR_CONNECTION_REFUSED|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET|Failed to load resource/;
    assert.deepEqual(complaints.filter((text) => !gone.test(text)), []);
  });
});
