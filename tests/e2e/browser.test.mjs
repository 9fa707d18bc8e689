/**
 * The web client in Chromium, as two people use it side by side: from signing up to a file in a group,
 * and on through a restart of the host. Screenshots go to `SCREENSHOTS` (default: a temporary folder).
 */

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { chromium } from "playwright-core";
import { FLAGS } from "./browser.mjs";
import { host as hostUnderTest } from "./host.mjs";
import { connect, newEmail, PASSWORD, profileExists, signUp } from "./people.mjs";
import { BOUND, newPerson, Person } from "./person.mjs";
import { png } from "./pictures.mjs";
import { Proxy } from "./proxy.mjs";

const folder = process.env.SCREENSHOTS ?? mkdtempSync(join(tmpdir(), "pingtalk-screenshots-"));
mkdirSync(folder, { recursive: true });

describe("the web client", { timeout: 240_000 }, () => {
  let host;
  let browser;
  /** Ben reaches the host through it. */
  let network;
  /** @type {Person} */
  let ada;
  /** @type {Person} */
  let ben;

  before(async () => {
    host = await hostUnderTest();
    browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS });
    ada = await newPerson(browser, host.url, "Ada", "Lovelace");
    network = new Proxy(host.url);
    await network.start();
    ben = await newPerson(browser, network.url, "Ben", "Okri");
  });

  after(async () => {
    await browser?.close();
    await network?.close();
    await host?.close();
  });

  it("puts a refused sign-up's reason at its field", async () => {
    const { page } = ada;
    await page.goto(host.url);
    await shot(page, "01-sign-in");
    await page.getByRole("tab", { name: "Sign up" }).click();
    await page.getByLabel("First name").fill("Ada");
    await page.getByLabel("Last name").fill("Lovelace");
    await page.getByLabel("E-mail").fill("not an address");
    await page.getByLabel("Password").fill(PASSWORD);
    await page.getByRole("button", { name: "Create account" }).click();
    await page.getByText("EmailId is not valid").waitFor();
    assert.equal(await page.getByLabel("E-mail").getAttribute("aria-invalid"), "true");
    await shot(page, "02-sign-up-refused");
  });

  it("signs two people up", async () => {
    for (const person of [ada, ben]) {
      await person.signUp();
    }
    await shot(ada.page, "03-welcome");
  });

  it("refuses a wrong password and lets the right one in", async () => {
    const { page } = ada;
    await page.getByRole("button", { name: "Log out" }).click();
    await page.getByLabel("E-mail").fill(ada.email);
    await page.getByLabel("Password").fill("Wrong-horse-7");
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByText("Incorrect credentials").waitFor();
    await page.getByLabel("Password").fill(PASSWORD);
    await page.getByLabel("Password").press("Enter");
    await page.getByText("Connected", { exact: true }).waitFor();
  });

  it("invites by e-mail, cancels, and says what is wrong with an invite", async () => {
    const { page } = ada;
    await page
      .getByRole("navigation")
      .getByRole("link", { name: /People/ })
      .click();
    await ada.invite(newEmail());
    await page.getByText("User not found!").waitFor();
    await ada.invite(ben.email);
    await page.getByText(`Invite sent to ${ben.email}.`).waitFor();
    await page.getByRole("button", { name: "Cancel the invite to Ben Okri" }).click();
    await page.getByRole("button", { name: "Cancel the invite to Ben Okri" }).waitFor({ state: "detached" });
    await ada.invite(ben.email);
    await page.getByRole("button", { name: "Cancel the invite to Ben Okri" }).waitFor();
    await shot(page, "04-invite-sent");
  });

  it("shows the invite to the other, who accepts it", async () => {
    const { page } = ben;
    await page
      .getByRole("navigation")
      .getByRole("link", { name: /People/ })
      .click();
    await page.getByRole("button", { name: "Accept Ada Lovelace's invite" }).waitFor();
    await shot(page, "05-invite-received");
    await page.getByRole("button", { name: "Accept Ada Lovelace's invite" }).click();
    await page.getByRole("button", { name: "Chat with Ada Lovelace" }).waitFor();
  });

  it("opens a direct chat and delivers both ways", async () => {
    await ben.page.getByRole("button", { name: "Chat with Ada Lovelace" }).click();
    await ben.say("Good morning, Ada!");
    await ben.hears("Good morning, Ada!");
    await ada.page.getByRole("navigation").getByRole("link", { name: /Chats/ }).click();
    const row = ada.page.getByRole("link", { name: /Ben Okri/ });
    await row.getByText("1 unread").waitFor({ state: "attached" });
    await shot(ada.page, "06-unread");
    await row.click();
    await ada.hears("Good morning, Ada!");
    await row.getByText(/unread/).waitFor({ state: "detached" });
    await ada.say("Good morning, Ben.\nHow are you?");
    await ben.hears("How are you?");
    assert.equal(await ben.count("Good morning, Ben.\nHow are you?"), 1);
  });

  it("shows what people write as text, never as markup", async () => {
    await ada.say("<img src=x onerror=\"document.title='owned'\"> & https://example.com/a?b=c.");
    await ben.hears("<img src=x onerror=");
    assert.doesNotMatch(await ben.page.title(), /owned/);
    const link = ben.log().getByRole("link", { name: "https://example.com/a?b=c" });
    assert.equal(await link.getAttribute("rel"), "noopener noreferrer");
  });

  it("sends files: a picture is shown, another kind can be downloaded", async () => {
    await ada.attach("sunrise.png", "image/png", png(320, 200));
    await ada.say("From the window");
    await ben.hears("From the window");
    const picture = ben.log().getByRole("img", { name: "sunrise.png" });
    await picture.waitFor();
    await eventuallyTrue(() => picture.evaluate((image) => image.complete && image.naturalWidth === 320));
    const text = "Größe: 1,5 m\n";
    await ben.attach("notes für Ada.txt", "text/plain", Buffer.from(text));
    await ben.send();
    const download = ada.page.waitForEvent("download", { timeout: BOUND });
    await ada
      .log()
      .getByRole("link", { name: /notes für Ada\.txt/ })
      .click();
    const saved = await download;
    assert.equal(saved.suggestedFilename(), "notes für Ada.txt");
    const file = join(folder, "downloaded.txt");
    await saved.saveAs(file);
    assert.equal(readFileSync(file, "utf8"), text);
    rmSync(file);
    await shot(ada.page, "07-direct-chat");
  });

  it("refuses a file that is too large before sending it", async () => {
    await ada.attach("huge.bin", "application/octet-stream", Buffer.alloc(5 * 1024 * 1024 + 1));
    await ada.page.getByText(/huge\.bin is too large/).waitFor();
  });

  it("makes a group, adds and removes members", async () => {
    const [cleo, dora] = [
      await signUp(host.url, { firstName: "Cleo", lastName: "Wade" }),
      await signUp(host.url, { firstName: "Dora", lastName: "Maar" }),
    ];
    await Promise.all([cleo, dora].map(profileExists));
    const adaClient = await ada.client();
    await connect(adaClient, cleo);
    await connect(adaClient, dora);
    const { page } = ada;
    await page.reload();
    await page.getByRole("button", { name: "New group" }).click();
    await page.getByLabel("Name").fill("Book club");
    await page.getByLabel("Ben Okri").check();
    await page.getByRole("button", { name: "Create group" }).click();
    await page.getByText("Choose at least two people").waitFor();
    await page.getByLabel("Cleo Wade").check();
    await shot(page, "08-new-group");
    await page.getByRole("button", { name: "Create group" }).click();
    await ada.say("Welcome to the club");
    const inBensList = ben.page.getByRole("link", { name: /Book club/ });
    await ben.page.getByRole("navigation").getByRole("link", { name: /Chats/ }).click();
    await inBensList.click();
    await ben.hears("Welcome to the club");
    await page.getByRole("button", { name: "Members" }).click();
    await page.getByLabel("Add somebody").last().selectOption({ label: "Dora Maar" });
    await page.getByRole("button", { name: "Add", exact: true }).click();
    await page.getByRole("button", { name: "Remove Dora Maar" }).waitFor();
    await shot(page, "09-members");
    await page.getByRole("button", { name: "Remove Cleo Wade" }).click();
    await page.getByRole("button", { name: "Remove Cleo Wade" }).waitFor({ state: "detached" });
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    const { body } = await cleo.get("/chat/my-chats");
    assert.equal(
      body.some(({ name }) => name === "Book club"),
      false,
    );
    await ben.say("Glad to be here");
    await ada.hears("Glad to be here");
    await shot(page, "10-group");
  });

  it("leaves a group", async () => {
    const { page } = ben;
    await page.getByRole("button", { name: "Members" }).click();
    await page.getByRole("button", { name: "Leave the group" }).click();
    await page.getByText("You have left Book club.").waitFor();
    await page.getByRole("link", { name: /Book club/ }).waitFor({ state: "detached" });
  });

  it("shows the history page by page", async () => {
    const client = await ada.client();
    const friend = await signUp(host.url, { firstName: "Emil", lastName: "Post" });
    await profileExists(friend);
    const chat = await connect(client, friend);
    for (let n = 1; n <= 120; n += 1) {
      const form = new FormData();
      form.append("chatId", chat._id);
      form.append("text", `line ${n}`);
      form.append("file", new Blob([`${n}`], { type: "text/plain" }), `${n}.txt`);
      const { status } = await friend.request("POST", "/chat/send-file", { form });
      assert.equal(status, 201);
    }
    await ada.page.goto(`${host.url}/#/chat/${chat._id}`);
    await ada.hears("line 120");
    assert.equal(await ada.count("line 70"), 0);
    await ada.page.locator(".scroller").evaluate((scroller) => {
      scroller.scrollTop = 0;
    });
    await ada.log().getByText("line 21", { exact: true }).waitFor();
    await ada.page.locator(".scroller").evaluate((scroller) => {
      scroller.scrollTop = 0;
    });
    await ada.log().getByText("line 1", { exact: true }).waitFor();
    const lines = (await ada.log().locator(".text").allTextContents()).map((line) => Number(line.replace("line ", "")));
    assert.deepEqual(
      lines,
      Array.from({ length: 120 }, (_, index) => index + 1),
    );
  });

  it("changes the profile, with a picture", async () => {
    const { page } = ben;
    await page.getByRole("button", { name: "Your profile" }).click();
    await page.getByLabel("About you").fill("Reads in the evening.");
    await page.getByLabel("Gender").selectOption("male");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("Missing required fields: age").waitFor();
    await page.getByLabel("Age", { exact: true }).fill("41");
    await page.setInputFiles('input[accept^="image"]', {
      name: "me.png",
      mimeType: "image/png",
      buffer: png(600, 800),
    });
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("Your profile is saved.").waitFor();
    const picture = page.getByRole("button", { name: "Your profile" }).locator("img");
    await eventuallyTrue(() => picture.evaluate((image) => image.complete && image.naturalWidth > 0));
    await page.getByRole("button", { name: "Your profile" }).click();
    await shot(page, "11-profile");
    await page.keyboard.press("Escape");
  });

  it("works in the dark and on a narrow window", async () => {
    const { page } = ada;
    await page.emulateMedia({ colorScheme: "dark" });
    await shot(page, "12-dark");
    await page.setViewportSize({ width: 390, height: 780 });
    await page.getByRole("button", { name: "Back to the list" }).click();
    await page.getByRole("link", { name: /Ben Okri/ }).waitFor();
    await shot(page, "13-narrow-list");
    await page.getByRole("link", { name: /Ben Okri/ }).click();
    await ada.hears("Good morning, Ada!");
    await shot(page, "14-narrow-chat");
    await page.setViewportSize({ width: 1200, height: 780 });
    await page.emulateMedia({ colorScheme: "light" });
  });

  it("can be used with the keyboard alone", async () => {
    const { page } = ben;
    await page.goto(ben.url);
    await page.getByText("Connected", { exact: true }).waitFor();
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement?.textContent), "Skip to the conversation");
    for (let presses = 0; presses < 20; presses += 1) {
      await page.keyboard.press("Tab");
      if (
        /Ada Lovelace/.test(await page.evaluate(() => document.activeElement?.textContent ?? "")) &&
        (await page.evaluate(() => document.activeElement?.classList.contains("row")))
      ) {
        break;
      }
    }
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.activeElement?.tagName === "TEXTAREA");
    await page.keyboard.type("one");
    await page.keyboard.press("Shift+Enter");
    await page.keyboard.type("two");
    await page.keyboard.press("Enter");
    await ada.hears("one\ntwo");
  });

  it("catches up after a restart, and sends what was written meanwhile", async (test) => {
    if (!host.stop) {
      test.skip("needs PINGTALK_BIN");
      return;
    }
    await host.kill();
    await ada.page.getByText("Reconnecting …").waitFor();
    await ada.say("Written while the server was away");
    await ada.log().locator(".waiting").waitFor();
    await shot(ada.page, "15-reconnecting");
    await host.start();
    await ben.hears("Written while the server was away");
    await ada.page.getByText("Connected", { exact: true }).waitFor();
    await ada.log().locator(".waiting").waitFor({ state: "detached" });
    assert.equal(await ada.count("Written while the server was away"), 1);
    assert.equal(await ben.count("Written while the server was away"), 1);
    assert.equal(await ada.count("Good morning, Ada!"), 1);
  });

  it("gives a message that was missed to whoever comes back", async () => {
    network.cut();
    await ben.page.getByText("Reconnecting …").waitFor();
    for (const text of ["You will read this later", "and this", "in this order"]) {
      await ada.say(text);
    }
    await ada.hears("in this order");
    await ada.log().locator(".waiting").waitFor({ state: "detached" });
    assert.equal(await ben.count("You will read this later"), 0);
    network.mend();
    await ben.hears("in this order");
    const texts = await ben.log().locator(".text").allTextContents();
    assert.deepEqual(texts.slice(-3), ["You will read this later", "and this", "in this order"]);
  });

  it("ends other sessions when the password changes", async () => {
    const second = await newPerson(browser, host.url, "Ada", "Lovelace", ada.email);
    await second.logIn();
    await ada.page.getByRole("button", { name: "Password", exact: true }).click();
    await ada.page.getByLabel("Current password").fill(PASSWORD);
    await ada.page.getByLabel("New password").fill("Another-horse-8");
    await ada.page.getByRole("button", { name: "Change it" }).click();
    await ada.page.getByText("Your password is changed.").waitFor();
    await second.page.getByText("Your session has ended. Please log in again.").waitFor();
    await ada.page.getByText("Connected", { exact: true }).waitFor();
    await shot(second.page, "16-session-ended");
    await second.context.close();
  });

  it("offers a second user on one machine, who has a session of their own", async (test) => {
    const names = { "127.0.0.1": "localhost", localhost: "127.0.0.1" };
    const other = names[new URL(host.url).hostname];
    if (!other) {
      test.skip("the host is on another machine");
      return;
    }
    const opened = ada.context.waitForEvent("page", { timeout: BOUND });
    await ada.page.getByRole("link", { name: "Open a second user" }).click();
    const page = await opened;
    assert.equal(new URL(page.url()).hostname, other);
    const second = new Person(ada.context, page, new URL(page.url()).origin, "Fay", "Weldon", newEmail());
    await second.signUp();
    await page.getByRole("button", { name: "Your profile" }).getByText("Fay Weldon").waitFor({ state: "attached" });
    await ada.page.reload();
    await ada.page.getByRole("button", { name: "Your profile" }).getByText("Ada Lovelace").waitFor();
    await ada.page.getByText("Connected", { exact: true }).waitFor();
    await page.close();
  });

  it("asked for nothing the page's policy forbids and threw nothing", () => {
    assert.deepEqual([...ada.complaints, ...ben.complaints], []);
  });
});

async function shot(page, name) {
  writeFileSync(join(folder, `${name}.png`), await page.screenshot({ animations: "disabled" }));
}

async function eventuallyTrue(check) {
  const deadline = Date.now() + BOUND;
  while (!(await check())) {
    assert.ok(Date.now() < deadline, "still not so");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
