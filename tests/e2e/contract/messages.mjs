/** Messages over HTTP: the history, files, and the order of chats. */

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { connect, groupChat, profileExists, signUp } from "../people.mjs";
import { png } from "../pictures.mjs";
import { expectAnswer, expectDocument, formOf, NO_ONE, rows, SOME_MESSAGE } from "./rows.mjs";

const MB = 1024 * 1024;

/** @param {{url: string}} target */
export function messages(target) {
  describe("messages", () => {
    let ada;
    let ben;
    let cleo;
    let eve;
    let direct;
    before(async () => {
      [ada, ben, cleo, eve] = await Promise.all(
        ["Ada", "Ben", "Cleo", "Eve"].map((firstName) => signUp(target.url, { firstName })),
      );
      await Promise.all([ada, ben, cleo, eve].map(profileExists));
      direct = await connect(ada, ben);
      await connect(ada, cleo);
    });
    const file = (text, name = "a.txt") => ({ name, type: "text/plain", bytes: Buffer.from(text) });
    const sendFile = (user, texts, sent) => user.request("POST", "/chat/send-file", { form: formOf(texts, sent) });
    const history = async (user, query = "", chatId = direct._id) =>
      expectAnswer(await user.get(`/chat/messages/${chatId}${query}`), 200, () => {});

    describe("POST /chat/send-file", () => {
      rows([
        [
          "asks for a form",
          () => ada.post("/chat/send-file", { chatId: direct._id, file: "x" }),
          400,
          "No file provided",
        ],
        ["asks for a file", () => sendFile(ada, { chatId: direct._id }), 400, "No file provided"],
        ["asks for a chat", () => sendFile(ada, {}, file("x")), 400, "chatId is required"],
        ["knows no other chat", () => sendFile(ada, { chatId: NO_ONE }, file("x")), 404, "Chat not found"],
        ["refuses what is no id", () => sendFile(ada, { chatId: "ben" }, file("x")), 400, SOME_MESSAGE],
        ["is for participants", () => sendFile(eve, { chatId: direct._id }, file("x")), 403, "Not authorized"],
        [
          "refuses a broken form",
          () =>
            ada.request("POST", "/chat/send-file", {
              body: '--x\r\nContent-Disposition: form-data; name="file"',
              headers: { "content-type": "multipart/form-data; boundary=x" },
            }),
          400,
          SOME_MESSAGE,
        ],
        [
          "refuses a form without a boundary",
          () =>
            ada.request("POST", "/chat/send-file", {
              body: "--x--",
              headers: { "content-type": "multipart/form-data" },
            }),
          400,
          SOME_MESSAGE,
        ],
        [
          "stores text and file",
          () => sendFile(ada, { chatId: direct._id, text: "  see here " }, file("hello", "C:\\temp\\..\\größe ✓.txt")),
          201,
          (body) => {
            expectDocument(body);
            assert.equal(body.chatId, direct._id);
            assert.equal(body.senderId, ada.id);
            assert.equal(body.text, "see here");
            assert.deepEqual(body.readBy, [ada.id]);
            assert.equal(body.file.name, "größe ✓.txt");
            assert.equal(body.file.size, 5);
            assert.equal(body.file.mimeType, "text/plain");
            assert.equal(Buffer.from(body.file.data, "base64").toString(), "hello");
          },
        ],
        [
          "takes a path off the name",
          () => sendFile(ada, { chatId: direct._id }, file("x", "../../etc/passwd")),
          201,
          (body) => {
            assert.equal(body.file.name, "passwd");
            assert.equal(body.text ?? "", "");
          },
        ],
        [
          "takes an empty file",
          () => sendFile(ada, { chatId: direct._id }, file("")),
          201,
          (body) => assert.equal(body.file.size, 0),
        ],
        [
          "finds the type in the bytes",
          () => sendFile(ada, { chatId: direct._id }, { name: "a.html", type: "text/html", bytes: png(2, 2) }),
          201,
          (body) => {
            assert.equal(body.file.mimeType, "image/png");
          },
        ],
        [
          "believes no picture that is none",
          () =>
            sendFile(
              ada,
              { chatId: direct._id },
              { name: "a.png", type: "image/png", bytes: Buffer.from("<script>alert(1)</script>") },
            ),
          201,
          (body) => {
            assert.doesNotMatch(body.file.mimeType, /image|html|script/);
          },
        ],
        [
          "takes exactly 5 MB",
          () =>
            sendFile(
              ada,
              { chatId: direct._id },
              { name: "a.bin", type: "application/octet-stream", bytes: Buffer.alloc(5 * MB, 7) },
            ),
          201,
          (body) => {
            assert.equal(body.file.size, 5 * MB);
            assert.ok(Buffer.from(body.file.data, "base64").equals(Buffer.alloc(5 * MB, 7)));
          },
        ],
        [
          "refuses a byte more",
          () =>
            sendFile(
              ada,
              { chatId: direct._id },
              { name: "a.bin", type: "application/octet-stream", bytes: Buffer.alloc(5 * MB + 1) },
            ),
          413,
          SOME_MESSAGE,
        ],
      ]);
      it("moves the chat to the top", async () => {
        const [first, second] = [await groupChat(ada, [ben, cleo], "One"), await groupChat(ada, [ben, cleo], "Two")];
        const top = async () => (await ben.get("/chat/my-chats")).body[0];
        assert.equal((await top())._id, second._id);
        const { body } = await sendFile(ada, { chatId: first._id }, file("x"));
        assert.equal((await top())._id, first._id);
        assert.equal((await top()).lastMessage, body._id);
      });
    });

    describe("GET /chat/messages/:chatId", () => {
      const of = (user, id) => () => user().get(`/chat/messages/${id()}`);
      rows([
        [
          "is for participants",
          of(
            () => eve,
            () => direct._id,
          ),
          403,
          "Not authorized",
        ],
        [
          "knows no other chat",
          of(
            () => ada,
            () => NO_ONE,
          ),
          404,
          "Chat not found",
        ],
        [
          "refuses what is no id",
          of(
            () => ada,
            () => "ben",
          ),
          400,
          SOME_MESSAGE,
        ],
        [
          "refuses a limit that is none",
          of(
            () => ada,
            () => `${direct._id}?limit=many`,
          ),
          400,
          SOME_MESSAGE,
        ],
        [
          "refuses a limit of nothing",
          of(
            () => ada,
            () => `${direct._id}?limit=0`,
          ),
          400,
          SOME_MESSAGE,
        ],
        [
          "refuses a negative limit",
          of(
            () => ada,
            () => `${direct._id}?limit=-5`,
          ),
          400,
          SOME_MESSAGE,
        ],
        [
          "refuses a cursor that is none",
          of(
            () => ada,
            () => `${direct._id}?before=yesterday`,
          ),
          400,
          SOME_MESSAGE,
        ],
      ]);

      describe("in pages", () => {
        let chat;
        const numbers = (list) => list.map(({ text }) => Number(text));
        before(async () => {
          chat = await groupChat(ada, [ben, cleo], "Pages");
          for (let n = 1; n <= 12; n += 1) {
            expectAnswer(
              await sendFile(n % 2 ? ada : ben, { chatId: chat._id, text: String(n) }, file(`${n}`, `${n}.txt`)),
              201,
              () => {},
            );
          }
        });
        it("gives the whole history, oldest first, numbered", async () => {
          const all = await history(cleo, "", chat._id);
          assert.deepEqual(numbers(all), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
          assert.deepEqual(
            all.map(({ seq }) => seq),
            [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
          );
          assert.equal(Buffer.from(all[3].file.data, "base64").toString(), "4");
        });
        it("gives the newest page for a limit", async () => {
          assert.deepEqual(numbers(await history(cleo, "?limit=5", chat._id)), [8, 9, 10, 11, 12]);
        });
        it("goes back with before, by number or id, and forth with after", async () => {
          assert.deepEqual(numbers(await history(cleo, "?limit=5&before=8", chat._id)), [3, 4, 5, 6, 7]);
          const all = await history(cleo, "", chat._id);
          assert.deepEqual(numbers(await history(cleo, `?limit=5&before=${all[7]._id}`, chat._id)), [3, 4, 5, 6, 7]);
          assert.deepEqual(numbers(await history(cleo, "?limit=5&after=3", chat._id)), [4, 5, 6, 7, 8]);
          assert.deepEqual(numbers(await history(cleo, "?after=10", chat._id)), [11, 12]);
          assert.deepEqual(await history(cleo, "?after=12", chat._id), []);
        });
        it("can be followed by its links to the end", async () => {
          const found = [];
          let path = `/chat/messages/${chat._id}?limit=5&inline=false`;
          for (let page = 0; path && page < 10; page += 1) {
            const answer = await cleo.get(path);
            found.unshift(...numbers(expectAnswer(answer, 200, () => {})));
            const link = /<([^>]+)>; *rel="?prev"?/.exec(answer.headers.link ?? "");
            path = link && new URL(link[1], `${target.url}${path}`);
            path = path && path.pathname + path.search;
          }
          assert.deepEqual(found, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        });
        it("leaves the bytes out when asked, and gives a URL", async () => {
          const list = await history(cleo, "?inline=false", chat._id);
          for (const message of list) {
            assert.equal(message.file.data, undefined);
            const { pathname } = new URL(message.file.url, target.url);
            const { status, bytes, headers } = await cleo.get(pathname);
            assert.equal(status, 200);
            assert.equal(bytes.toString(), message.text);
            assert.match(headers["content-type"], /^text\/plain/);
            assert.match(headers["content-disposition"], /^attachment/);
            assert.equal(headers["x-content-type-options"], "nosniff");
            assert.notEqual((await eve.get(pathname)).status, 200, "files are for participants");
          }
        });
      });
    });

    it("one chat's messages never show in another's", async () => {
      const other = await groupChat(ada, [ben, cleo], "Apart");
      const { body } = await sendFile(ada, { chatId: other._id }, file("apart"));
      const [mine] = await history(ada, "?limit=1");
      assert.notEqual(mine._id, body._id);
      expectAnswer(await ada.get(`/chat/messages/${direct._id}?before=${body._id}`), 400, SOME_MESSAGE);
    });
  });
}
