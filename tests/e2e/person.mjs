/** People at browsers of their own, doing what people do on the page. */

import { Client } from "./client.mjs";
import { newEmail, PASSWORD } from "./people.mjs";

/** How long anything on the page may take to appear, in milliseconds. */
export const BOUND = 15_000;

/** One person at a browser of their own. */
export class Person {
  /** What the page threw, and what its policy refused. @type {string[]} */
  complaints = [];

  constructor(context, page, url, firstName, lastName, email) {
    Object.assign(this, { context, page, url, firstName, lastName, email });
    page.setDefaultTimeout(BOUND);
    page.on("pageerror", (error) => this.complaints.push(`${firstName}: ${error.message}`));
    page.on("console", (message) => {
      if (/Content Security Policy/.test(message.text())) {
        this.complaints.push(`${firstName}: ${message.text()}`);
      }
    });
  }

  async signUp() {
    const { page } = this;
    await page.goto(this.url);
    await page.getByRole("tab", { name: "Sign up" }).click();
    await page.getByLabel("First name").fill(this.firstName);
    await page.getByLabel("Last name").fill(this.lastName);
    await page.getByLabel("E-mail").fill(this.email);
    await page.getByLabel("Password").fill(PASSWORD);
    await page.getByRole("button", { name: "Create account" }).click();
    await page.getByText("Connected", { exact: true }).waitFor();
  }

  async logIn() {
    const { page } = this;
    await page.goto(this.url);
    await page.getByLabel("E-mail").fill(this.email);
    await page.getByLabel("Password").fill(PASSWORD);
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByText("Connected", { exact: true }).waitFor();
  }

  async invite(email) {
    await this.page.getByLabel("Invite by e-mail").fill(email);
    await this.page.getByRole("button", { name: "Invite", exact: true }).click();
  }

  log() {
    return this.page.getByRole("log");
  }

  async say(text) {
    const box = this.page.getByLabel("Message", { exact: true });
    const lines = text.split("\n");
    await box.click();
    for (const [index, line] of lines.entries()) {
      if (index > 0) {
        await box.press("Shift+Enter");
      }
      await this.page.keyboard.insertText(line);
    }
    await box.press("Enter");
  }

  async send() {
    await this.page.getByRole("button", { name: "Send", exact: true }).click();
  }

  async attach(name, mimeType, buffer) {
    await this.page.setInputFiles(".composer input[type=file]", { name, mimeType, buffer });
  }

  async hears(text) {
    await this.log().getByText(text).first().waitFor();
  }

  async count(text) {
    return this.log().getByText(text, { exact: true }).count();
  }

  /** An HTTP client with this person's session, from another address. */
  async client() {
    const client = new Client(this.url);
    const [cookie] = (await this.context.cookies()).filter(({ name }) => name === "token");
    client.cookie = `token=${cookie.value}`;
    return Object.assign(client, { email: this.email });
  }
}

/** Opens a browser context of its own for somebody. */
export async function newPerson(browser, url, firstName, lastName, email = newEmail()) {
  const context = await browser.newContext({ viewport: { width: 1200, height: 780 }, acceptDownloads: true });
  return new Person(context, await context.newPage(), url, firstName, lastName, email);
}
