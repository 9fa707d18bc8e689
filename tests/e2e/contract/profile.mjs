/** Profiles and their pictures. */

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { before, describe, it } from "node:test";
import { Client } from "../client.mjs";
import { profileExists, signUp } from "../people.mjs";
import { png, pngClaiming } from "../pictures.mjs";
import { expectAnswer, expectDocument, formOf, NO_ONE, rows, SOME_MESSAGE } from "./rows.mjs";

const FULL = { firstName: "Grace", lastName: "Hopper", about: "Finds moths.", gender: "female", age: 85 };
const dataUrl = (type, bytes) => `data:${type};base64,${bytes.toString("base64")}`;

/** @param {{url: string}} target */
export function profile(target) {
  describe("profile", () => {
    let user;
    before(async () => {
      user = await signUp(target.url, { firstName: "Grace", lastName: "Murray" });
      await profileExists(user);
    });
    const patch = (fields) => () => user.clone().put("/profile/patchProfile", fields);

    it("is made from the sign-up", async () => {
      const made = await profileExists(user);
      expectDocument(made);
      assert.equal(made.userId, user.id);
      assert.equal(made.firstName, "Grace");
      assert.equal(made.lastName, "Murray");
    });

    describe("PUT /profile/patchProfile, before anything is stored", () => {
      rows([
        ["names what is missing, in order", patch({}), 400, "Missing required fields: about, gender, age"],
        [
          "counts null and empty as missing",
          patch({ firstName: null, about: "", age: 3 }),
          400,
          "Missing required fields: firstName, about, gender",
        ],
        ["refuses an unknown field before all", patch({ firstName: null, role: "admin" }), 400, "Update not allowed"],
        ["refuses another's id", patch({ ...FULL, userId: NO_ONE }), 400, "Update not allowed"],
      ]);
    });

    describe("PUT /profile/patchProfile", () => {
      before(async () => expectAnswer(await patch(FULL)(), 200, () => {}));
      rows([
        [
          "stores the fields",
          patch(FULL),
          200,
          (body) => {
            assert.equal(body.message, "Profile updated successfully");
            expectDocument(body.data);
            for (const [name, value] of Object.entries({ ...FULL, userId: user.id })) {
              assert.deepEqual(body.data[name], value, name);
            }
          },
        ],
        [
          "changes one field",
          patch({ about: "Finds bugs." }),
          200,
          (body) => assert.equal(body.data.about, "Finds bugs."),
        ],
        ["takes a number as text", patch({ age: "86" }), 200, (body) => assert.equal(body.data.age, 86)],
        ...["male", "female", "other", "Male", "Female"].map((gender) => [
          `takes ${gender}`,
          patch({ gender }),
          200,
          (body) => assert.equal(body.data.gender, gender),
        ]),
        [
          "takes 750 characters about",
          patch({ about: "ü".repeat(750) }),
          200,
          (body) => assert.equal(body.data.about.length, 750),
        ],
        ["refuses 751", patch({ about: "x".repeat(751) }), 400, /about/],
        ["refuses an emptied field", patch({ about: "" }), 400, "Missing required fields: about"],
        ["refuses an age that is none", patch({ age: "old" }), 400, /age/],
        ["refuses a negative age", patch({ age: -1 }), 400, /age/],
        ["refuses another gender", patch({ gender: "unicorn" }), 400, /gender/],
        ...["firstName", "lastName", "about", "gender", "age"].map((field) => [
          `refuses an object as ${field}`,
          patch({ [field]: { $gt: "" } }),
          400,
          new RegExp(field),
        ]),
        ["takes JSON of 5 MB", patch({ about: "x".repeat(5_000_000) }), 400, /about/],
        ["refuses JSON of 11 MB", patch({ about: "x".repeat(11_000_000) }), 413, SOME_MESSAGE],
        [
          "refuses a broken form",
          () =>
            user.clone().request("PUT", "/profile/patchProfile", {
              body: "--x\r\nnothing",
              headers: { "content-type": "multipart/form-data; boundary=x" },
            }),
          400,
          SOME_MESSAGE,
        ],
      ]);
    });

    describe("pictures", () => {
      const picture = (profilePic) => patch({ profilePic });
      rows([
        ["refuses a text", picture("my face"), 400, "Invalid profile picture format"],
        ["refuses an object", picture({ url: "x" }), 400, SOME_MESSAGE],
        [
          "refuses a data URL of another type",
          picture("data:image/gif;base64,R0lGODlhAQABAAAAACw="),
          400,
          "Cloudinary upload failed: Invalid image format. Only JPEG, JPG, and PNG are allowed",
        ],
        [
          "refuses a data URL that is no picture",
          picture(dataUrl("image/png", Buffer.from("<html>"))),
          400,
          SOME_MESSAGE,
        ],
        [
          "refuses a URL of another type",
          picture("https://example.com/picture.gif"),
          400,
          "Cloudinary upload from URL failed: Invalid image URL. Only JPEG, JPG, and PNG URLs are allowed",
        ],
        [
          "refuses a file that is no picture",
          () =>
            user.clone().request("PUT", "/profile/patchProfile", {
              form: formOf(FULL, {
                field: "profilePic",
                name: "a.png",
                type: "image/png",
                bytes: Buffer.from("#!/bin/sh\n"),
              }),
            }),
          400,
          SOME_MESSAGE,
        ],
        [
          "refuses a picture of a thousand million points",
          picture(dataUrl("image/png", pngClaiming(32_000, 32_000))),
          400,
          SOME_MESSAGE,
        ],
      ]);

      /** @param {any} body of a successful patch */
      async function expectPicture(body) {
        const { pathname } = new URL(body.data.profilePic, target.url);
        const { status, headers, bytes } = await new Client(target.url).get(pathname);
        assert.equal(status, 200);
        assert.equal(headers["content-type"], "image/jpeg");
        assert.equal(headers["x-content-type-options"], "nosniff");
        assert.deepEqual(jpegSize(bytes), { width: 413, height: 531 });
      }

      it("takes a data URL, and gives a JPEG of 413 by 531", async () => {
        await expectPicture(expectAnswer(await picture(dataUrl("image/png", png(900, 300)))(), 200, () => {}));
      });
      it("takes a file", async () => {
        const form = formOf(
          { ...FULL, about: "With a file." },
          { field: "profilePic", name: "ich.png", type: "image/png", bytes: png(100, 700) },
        );
        const body = expectAnswer(await user.clone().request("PUT", "/profile/patchProfile", { form }), 200, () => {});
        assert.equal(body.data.about, "With a file.");
        assert.equal(body.data.age, 85);
        await expectPicture(body);
      });
      it("gives a new picture a new address", async () => {
        const first = expectAnswer(await picture(dataUrl("image/png", png(50, 50)))(), 200, () => {});
        const second = expectAnswer(await picture(dataUrl("image/png", png(60, 60)))(), 200, () => {});
        assert.notEqual(first.data.profilePic, second.data.profilePic);
      });
      it("fetches nothing from private addresses", async () => {
        let asked = 0;
        const inside = createServer((_, response) => {
          asked += 1;
          response.setHeader("content-type", "image/png").end(png(10, 10));
        }).listen(0, "127.0.0.1");
        await new Promise((resolve) => inside.once("listening", resolve));
        try {
          const { port } = inside.address();
          for (const name of ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "2130706433", "[::ffff:127.0.0.1]"]) {
            expectAnswer(await picture(`http://${name}:${port}/a.png`)(), 400, SOME_MESSAGE);
          }
          assert.equal(asked, 0);
        } finally {
          inside.close();
        }
      });
    });

    describe("GET /profile/getProfile", () => {
      it("comes from the cache the second time, and never old", async () => {
        const own = await signUp(target.url);
        await profileExists(own);
        const read = async () => expectAnswer(await own.get("/profile/getProfile"), 200, () => {});
        assert.equal((await read()).source, "cache");
        for (const about of ["one", "two", "three"]) {
          expectAnswer(await own.put("/profile/patchProfile", { ...FULL, about }), 200, () => {});
          const { data, source } = await read();
          assert.equal(data.about, about);
          assert.match(source, /^(cache|database)$/);
        }
      });
    });

    describe("GET /profile/profile/:userId", () => {
      const of = (id) => () => user.clone().get(`/profile/profile/${id}`);
      rows([
        [
          "gives a profile",
          () => of(user.id)(),
          200,
          (body) => {
            assert.deepEqual(Object.keys(body), ["data"]);
            assert.equal(body.data.userId, user.id);
          },
        ],
        ["knows no other", of(NO_ONE), 404, "Profile not found"],
        ["refuses what is no id", of("nobody"), 400, SOME_MESSAGE],
        ["refuses another encoding of it", of("%7B%22$gt%22:%22%22%7D"), 400, SOME_MESSAGE],
      ]);
      it("shows nothing to strangers", async () => {
        const answer = await new Client(target.url).get(`/profile/profile/${user.id}`);
        expectAnswer(answer, 401, "Token Expired, please login again");
      });
      it("tells nothing of the account", async () => {
        const { body } = await of(user.id)();
        assert.doesNotMatch(JSON.stringify(body), /password|emailId|\$2b\$/);
      });
    });
  });
}

/** Width and height from a JPEG's frame header. */
function jpegSize(bytes) {
  assert.equal(bytes.readUInt16BE(0), 0xffd8, "starts like a JPEG");
  let at = 2;
  while (at < bytes.length) {
    const marker = bytes.readUInt16BE(at);
    if (marker >= 0xffc0 && marker <= 0xffc2) {
      return { height: bytes.readUInt16BE(at + 5), width: bytes.readUInt16BE(at + 7) };
    }
    at += 2 + bytes.readUInt16BE(at + 2);
  }
  return assert.fail("no frame header");
}
