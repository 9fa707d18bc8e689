/** Sign-up, login, logout, passwords. */

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { Client } from "../client.mjs";
import { newEmail, PASSWORD, signUp } from "../people.mjs";
import { expectAnswer, ID, rows, SOME_MESSAGE } from "./rows.mjs";

const INVALID = { error: "Invalid or expired token" };
const NEW_PASSWORD = "Another-horse-8";

/** @param {{url: string}} target */
export function auth(target) {
  const client = () => new Client(target.url);

  describe("auth", () => {
    let user;
    before(async () => {
      user = await signUp(target.url);
    });

    describe("POST /auth/signup", () => {
      const good = () => ({ firstName: "Grace", lastName: "Hopper", emailId: newEmail(), password: PASSWORD });
      /** Every fault is there at once, so the first in the order is told. */
      const bad = { firstName: "G", lastName: "H", emailId: "no address", password: "weak" };
      const attempt = (changes) => () => client().post("/auth/signup", { ...good(), ...changes });
      rows([
        [
          "creates a user",
          attempt({ emailId: "MiXed-" + newEmail(), admin: true }),
          201,
          (body, { headers }) => {
            const { _id, ...rest } = body.data;
            assert.match(_id, ID);
            assert.match(rest.emailId, /^mixed-user-[0-9a-f]+@example\.com$/);
            assert.deepEqual(rest, { firstName: "Grace", lastName: "Hopper", emailId: rest.emailId });
            assert.equal(body.message, "User Registered Successfully");
            assert.deepEqual(Object.keys(body).sort(), ["data", "message"]);
            assert.match(headers["set-cookie"][0], /^token=ey/);
          },
        ],
        [
          "asks for names first",
          () => client().post("/auth/signup", { ...bad, firstName: undefined }),
          400,
          "Enter first and lastName",
        ],
        [
          "asks for a last name",
          () => client().post("/auth/signup", { ...bad, lastName: "" }),
          400,
          "Enter first and lastName",
        ],
        [
          "then for longer ones",
          () => client().post("/auth/signup", bad),
          400,
          "Name must be at least 2 characters long",
        ],
        ["then for an address", attempt({ emailId: "no address", password: "weak" }), 400, "EmailId is not valid"],
        ["asks for an address at all", attempt({ emailId: undefined }), 400, "EmailId is not valid"],
        ["then for a strong password", attempt({ password: "weak" }), 400, "Please Enter a Strong Password"],
        ["asks for a password at all", attempt({ password: undefined }), 400, "Please Enter a Strong Password"],
        [
          "refuses a taken address in any case",
          () => client().post("/auth/signup", { ...good(), emailId: user.email.toUpperCase() }),
          404,
          "Email Already Exists",
        ],
        ...["firstName", "lastName", "emailId", "password"].flatMap((field) =>
          [{ $gt: "" }, 7, ["x"], true].map((value) => [
            `refuses ${JSON.stringify(value)} as ${field}`,
            attempt({ [field]: value }),
            400,
            SOME_MESSAGE,
          ]),
        ),
        ...["abcdefg1!", "ABCDEFG1!", "Abcdefgh!", "Abcdefgh1", "Abc1!"].map((password) => [
          `refuses ${password}`,
          attempt({ password }),
          400,
          "Please Enter a Strong Password",
        ]),
        ...[
          "a@b",
          "@example.com",
          "a@@example.com",
          "a b@example.com",
          "a@example..com",
          `${"x".repeat(300)}@example.com`,
        ].map((emailId) => [
          `refuses the address ${emailId.slice(0, 20)}`,
          attempt({ emailId }),
          400,
          "EmailId is not valid",
        ]),
      ]);

      it("gives one of several at once the address", async () => {
        const emailId = newEmail();
        const answers = await Promise.all(
          Array.from({ length: 6 }, (_, n) =>
            client().post("/auth/signup", { ...good(), emailId: n % 2 ? emailId : emailId.toUpperCase() }),
          ),
        );
        const lost = answers.filter(({ status }) => status !== 201);
        assert.equal(lost.length, 5);
        lost.forEach((answer) => expectAnswer(answer, 404, "Email Already Exists"));
      });

      it("never cuts a long password", async () => {
        const emailId = newEmail();
        const password = `${PASSWORD}${"x".repeat(70)}`;
        const { status, body } = await client().post("/auth/signup", { ...good(), emailId, password });
        if (status === 400) {
          assert.match(body.message, /72|long/i);
          return;
        }
        assert.equal(status, 201);
        assert.equal((await client().post("/auth/login", { emailId, password: password.slice(0, 72) })).status, 401);
      });
    });

    describe("POST /auth/login", () => {
      const attempt = (fields) => () => client().post("/auth/login", fields);
      rows([
        [
          "signs in, the address in any case",
          () => client().post("/auth/login", { emailId: user.email.toUpperCase(), password: PASSWORD }),
          200,
          (body, { headers }) => {
            assert.deepEqual(Object.keys(body.data).sort(), ["emailId", "id", "token"]);
            assert.equal(body.data.id, user.id);
            assert.equal(body.data.emailId, user.email);
            assert.equal(body.message, "User login successful!!!");
            assert.ok(headers["set-cookie"][0].startsWith(`token=${body.data.token};`));
          },
        ],
        ["refuses nothing", attempt({}), 400, "Invalid Credentials"],
        ["refuses no password", () => attempt({ emailId: user.email })(), 400, "Invalid Credentials"],
        ["refuses what is no address", attempt({ emailId: "nobody", password: PASSWORD }), 400, "Invalid Credentials"],
        [
          "refuses an unknown address",
          () => attempt({ emailId: newEmail(), password: PASSWORD })(),
          400,
          "User not Found, Signup to continue",
        ],
        [
          "refuses a wrong password",
          () => attempt({ emailId: user.email, password: NEW_PASSWORD })(),
          401,
          "Incorrect credentials",
        ],
        ["refuses an object as address", attempt({ emailId: { $gt: "" }, password: PASSWORD }), 400, SOME_MESSAGE],
        [
          "refuses an object as password",
          () => attempt({ emailId: user.email, password: { $ne: null } })(),
          400,
          SOME_MESSAGE,
        ],
      ]);

      it("ends after 15 attempts from one address", async () => {
        const guesser = client();
        for (let n = 1; n <= 15; n += 1) {
          const { status, headers } = await guesser.post("/auth/login", {
            emailId: user.email,
            password: "Wrong-guess-1",
          });
          assert.equal(status, 401);
          assert.equal(headers["ratelimit-policy"], "15;w=900");
          assert.equal(headers["ratelimit-limit"], "15");
          assert.equal(headers["ratelimit-remaining"], String(15 - n));
          assert.ok(Number(headers["ratelimit-reset"]) > 0 && Number(headers["ratelimit-reset"]) <= 900);
        }
        const refused = await guesser.post("/auth/login", { emailId: user.email, password: PASSWORD });
        expectAnswer(refused, 429, "Too many login attempts. Try again after 15 minutes.");
        assert.ok(Number(refused.headers["retry-after"]) > 0);
        assert.equal(refused.headers["set-cookie"], undefined);
        expectAnswer(await client().post("/auth/login", { emailId: user.email, password: PASSWORD }), 200, () => {});
      });
    });

    describe("POST /auth/logout", () => {
      it("ends the token and clears the cookie", async () => {
        const leaving = await signUp(target.url);
        const { cookie } = leaving;
        const answer = await leaving.post("/auth/logout");
        expectAnswer(answer, 200, "Logout Successful");
        assert.match(answer.headers["set-cookie"][0], /^token=;.*Path=\//i);
        const again = client();
        again.cookie = cookie;
        expectAnswer(await again.get("/chat/my-chats"), 401, INVALID);
        expectAnswer(await again.get("/request/invites/sent"), 401, INVALID);
      });
      it("leaves the user's other tokens alone", async () => {
        const first = await signUp(target.url);
        const second = client();
        await second.post("/auth/login", { emailId: first.email, password: PASSWORD });
        expectAnswer(await first.post("/auth/logout"), 200, "Logout Successful");
        expectAnswer(await second.get("/chat/my-chats"), 200, []);
      });
      rows([
        ["needs no session", () => client().post("/auth/logout"), 200, "Logout Successful"],
        [
          "takes an invalid one",
          () => client().post("/auth/logout", {}, { headers: { cookie: "token=nonsense" } }),
          200,
          "Logout Successful",
        ],
      ]);
    });

    describe("PATCH /auth/changePassword", () => {
      const attempt = (fields) => () => user.clone().patch("/auth/changePassword", fields);
      rows([
        ["asks for both", attempt({ newPassword: NEW_PASSWORD }), 400, "Old and new passwords are required"],
        [
          "asks for the new one",
          attempt({ oldPassword: PASSWORD, newPassword: "" }),
          400,
          "Old and new passwords are required",
        ],
        [
          "asks for the right one",
          attempt({ oldPassword: "Wrong-guess-1", newPassword: NEW_PASSWORD }),
          401,
          "Incorrect old password",
        ],
        [
          "asks for another one",
          attempt({ oldPassword: PASSWORD, newPassword: PASSWORD }),
          400,
          "New password must be different",
        ],
        ["asks for a strong one", attempt({ oldPassword: PASSWORD, newPassword: "weak" }), 400, SOME_MESSAGE],
        ["refuses an object", attempt({ oldPassword: { $ne: "" }, newPassword: NEW_PASSWORD }), 400, SOME_MESSAGE],
      ]);

      it("takes effect, and ends the user's other tokens", async () => {
        const here = await signUp(target.url);
        const there = client();
        await there.post("/auth/login", { emailId: here.email, password: PASSWORD });
        expectAnswer(
          await here.patch("/auth/changePassword", { oldPassword: PASSWORD, newPassword: NEW_PASSWORD }),
          200,
          "Password updated successfully. Please login again.",
        );
        expectAnswer(await there.get("/chat/my-chats"), 401, INVALID);
        expectAnswer(await there.get("/request/invites/sent"), 401, INVALID);
        expectAnswer(await here.get("/chat/my-chats"), 200, []);
        expectAnswer(
          await client().post("/auth/login", { emailId: here.email, password: PASSWORD }),
          401,
          "Incorrect credentials",
        );
        const fresh = client();
        expectAnswer(await fresh.post("/auth/login", { emailId: here.email, password: NEW_PASSWORD }), 200, () => {});
        expectAnswer(await fresh.get("/chat/my-chats"), 200, []);
      });
    });

    describe("GET /auth/getUserByEmail", () => {
      const ask = (query) => () => user.clone().get(`/auth/getUserByEmail${query}`);
      rows([
        [
          "finds a user in any case",
          () => ask(`?emailId=${user.email.toUpperCase()}`)(),
          200,
          (body) => assert.deepEqual(body, { userId: user.id }),
        ],
        ["asks for an address", ask(""), 400, "emailId is required"],
        ["asks for one that isn't empty", ask("?emailId="), 400, "emailId is required"],
        ["knows nobody else", () => ask(`?emailId=${newEmail()}`)(), 404, "User not found"],
        ["refuses two addresses", () => ask(`?emailId=${user.email}&emailId=${user.email}`)(), 400, SOME_MESSAGE],
        ["takes no operators", ask("?emailId[$gt]="), 400, "emailId is required"],
      ]);
    });
  });
}
