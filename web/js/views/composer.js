/**
 * Where messages are written: Enter sends, Shift+Enter starts a new line; files by button, drop or
 * paste. What was begun in a chat is still there when one comes back to it.
 */

import { call } from "../api.js";
import { el, icon } from "../dom.js";
import { toast } from "../toast.js";
import { size } from "./file.js";

/** The server's bound for files. */
const LARGEST_FILE = 5 * 1024 * 1024;
/** The server takes 64 KiB of text; a character is at most 3 bytes of UTF-8 for each UTF-16 unit. */
const LONGEST_TEXT = 20_000;

/** @type {Map<string, {text: string, file: File | null}>} by chat */
const drafts = new Map();
const KEEP_DRAFTS = 50;

/**
 * @param {import("../types.js").App} app
 * @param {string} chatId
 * @param {{onSend: () => void, signal: AbortSignal}} options
 * @returns {{node: HTMLElement, focus: () => void}}
 */
export function composer(app, chatId, { onSend, signal }) {
  const draft = drafts.get(chatId);
  let file = draft?.file ?? null;
  let uploading = false;

  const text = el("textarea", {
    rows: 1,
    maxlength: LONGEST_TEXT,
    placeholder: "Write a message",
    "aria-label": "Message",
    enterkeyhint: "send",
    on: { keydown: onKey, input: fit, paste: onPaste },
  });
  text.value = draft?.text ?? "";
  const picker = el("input", {
    type: "file",
    class: "unseen",
    tabindex: "-1",
    "aria-hidden": "true",
    on: { change: () => choose(picker.files?.[0]) },
  });
  const attach = el(
    "button",
    { type: "button", class: "quiet", "aria-label": "Attach a file", on: { click: () => picker.click() } },
    icon("attach"),
  );
  const send = el("button", { type: "submit", class: "primary", "aria-label": "Send" }, icon("send"));
  const attached = el("div", { class: "attached", hidden: true });
  const node = el(
    "form",
    { class: "composer", "aria-label": "New message", on: { submit, dragover: onDrag, drop: onDrop } },
    attached,
    attach,
    picker,
    text,
    send,
  );

  /** @param {KeyboardEvent} event */
  function onKey(event) {
    // While an input method composes, Enter chooses a candidate.
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      node.requestSubmit();
    }
  }

  function fit() {
    text.style.height = "auto";
    text.style.height = `${text.scrollHeight}px`;
  }

  /** @param {ClipboardEvent} event */
  function onPaste(event) {
    const pasted = event.clipboardData?.files[0];
    if (pasted) {
      event.preventDefault();
      choose(pasted);
    }
  }

  /** @param {DragEvent} event */
  function onDrag(event) {
    if (event.dataTransfer?.types.includes("Files")) {
      event.preventDefault();
    }
  }

  /** @param {DragEvent} event */
  function onDrop(event) {
    const dropped = event.dataTransfer?.files[0];
    if (dropped) {
      event.preventDefault();
      choose(dropped);
    }
  }

  /** @param {File | undefined} chosen */
  function choose(chosen) {
    if (chosen && chosen.size > LARGEST_FILE) {
      toast(`${chosen.name} is too large: files can have up to ${size(LARGEST_FILE)}.`, "error");
    } else if (chosen) {
      file = chosen;
      showAttached();
      text.focus();
    }
    picker.value = "";
  }

  function showAttached() {
    attached.hidden = file === null;
    attached.replaceChildren();
    if (file) {
      const remove = el(
        "button",
        {
          type: "button",
          class: "quiet",
          "aria-label": `Remove ${file.name}`,
          disabled: uploading,
          on: { click: drop },
        },
        icon("close"),
      );
      attached.append(
        icon("file"),
        el("span", { class: "file-name" }, file.name),
        el("span", { class: "row-detail", role: "status" }, uploading ? "Sending …" : size(file.size)),
        remove,
      );
    }
  }

  function drop() {
    file = null;
    showAttached();
    text.focus();
  }

  /** @param {SubmitEvent} event */
  async function submit(event) {
    event.preventDefault();
    const written = text.value;
    if (uploading || (!file && written.trim() === "")) {
      return;
    }
    if (file) {
      await sendFile(file, written);
    } else if (app.outbox.add(chatId, written)) {
      clear();
    } else {
      toast("Too many messages are waiting to be sent.", "error");
    }
    onSend();
  }

  /**
   * A file is not sent again by itself: unlike text it has no id by which the server would know it.
   * @param {File} sent
   * @param {string} caption
   */
  async function sendFile(sent, caption) {
    const form = new FormData();
    form.append("chatId", chatId);
    if (caption.trim() !== "") {
      form.append("text", caption);
    }
    form.append("file", sent, sent.name);
    uploading = true;
    node.setAttribute("aria-busy", "true");
    showAttached();
    try {
      const message = await call("POST", "/chat/send-file", { form });
      app.histories.arrive(message);
      app.chats.noteMessage(message);
      file = null;
      clear();
    } catch (error) {
      toast(`${sent.name} was not sent: ${error instanceof Error ? error.message : error}`, "error");
    } finally {
      uploading = false;
      node.removeAttribute("aria-busy");
      showAttached();
    }
  }

  function clear() {
    text.value = "";
    fit();
  }

  signal.addEventListener("abort", () => {
    drafts.delete(chatId);
    if (text.value !== "" || file) {
      drafts.set(chatId, { text: text.value, file });
      const [oldest] = drafts.keys();
      if (drafts.size > KEEP_DRAFTS) {
        drafts.delete(oldest);
      }
    }
  });
  showAttached();
  return {
    node,
    focus: () => {
      fit();
      text.focus();
    },
  };
}
