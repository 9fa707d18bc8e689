/**
 * Forms whose errors stand at the field they are about.
 *
 * @typedef {object} Field
 * @property {string} name
 * @property {string} label
 * @property {string} [type] as of `<input>`, or `textarea`, `select`
 * @property {string} [hint]
 * @property {string} [value]
 * @property {boolean} [required]
 * @property {[string, string][]} [options] of a select: value and label
 * @property {{[name: string]: any}} [attributes] of the control
 * @property {RegExp} [errors] which of the server's messages are about this field
 *
 * @typedef {object} FormOptions
 * @property {Field[]} fields
 * @property {string} submit the button's label
 * @property {(values: {[name: string]: string}) => Promise<unknown>} action
 * @property {import("./dom.js").Child[]} [before] what stands above the fields
 * @property {string} [label] names the form for screen readers
 */

import { el } from "./dom.js";

let count = 0;

/**
 * @param {FormOptions} options
 * @returns {HTMLFormElement}
 */
export function form({ fields, submit, action, before = [], label }) {
  count += 1;
  const prefix = `form-${count}`;
  const controls = fields.map((field) => control(field, `${prefix}-${field.name}`));
  const general = el("p", { class: "form-error", role: "alert", hidden: true });
  const button = el("button", { type: "submit", class: "primary" }, submit);

  /** @param {SubmitEvent} event */
  const onSubmit = async (event) => {
    event.preventDefault();
    if (button.disabled) {
      return;
    }
    clear(general, controls);
    button.disabled = true;
    button.setAttribute("aria-busy", "true");
    try {
      const values = Object.fromEntries(controls.map(({ field, input }) => [field.name, input.value]));
      await action(values);
    } catch (error) {
      show(error instanceof Error ? error.message : String(error), general, controls);
    } finally {
      button.disabled = false;
      button.removeAttribute("aria-busy");
    }
  };

  return el(
    "form",
    { novalidate: true, "aria-label": label, on: { submit: onSubmit } },
    ...before,
    ...controls.map(({ node }) => node),
    general,
    button,
  );
}

/**
 * @param {Field} field
 * @param {string} id
 */
function control(field, id) {
  const { type = "text", required = true } = field;
  const described = [field.hint && `${id}-hint`, `${id}-error`].filter(Boolean).join(" ");
  const attributes = { id, name: field.name, required, "aria-describedby": described, ...field.attributes };
  let input;
  if (type === "select") {
    input = el("select", attributes, ...(field.options ?? []).map(([value, text]) => el("option", { value }, text)));
  } else if (type === "textarea") {
    input = el("textarea", { rows: 3, ...attributes });
  } else {
    input = el("input", { type, ...attributes });
  }
  if (field.value !== undefined) {
    input.value = field.value;
  }
  const error = el("p", { id: `${id}-error`, class: "field-error", role: "alert", hidden: true });
  const hint = field.hint && el("p", { id: `${id}-hint`, class: "hint" }, field.hint);
  const node = el("div", { class: "field" }, el("label", { for: id }, field.label), input, hint, error);
  return { field, input, error, node };
}

/**
 * @param {HTMLElement} general
 * @param {ReturnType<typeof control>[]} controls
 */
function clear(general, controls) {
  general.hidden = true;
  for (const { input, error } of controls) {
    input.removeAttribute("aria-invalid");
    error.hidden = true;
  }
}

/**
 * @param {string} message
 * @param {HTMLElement} general
 * @param {ReturnType<typeof control>[]} controls
 */
function show(message, general, controls) {
  const about = controls.find(({ field }) => field.errors?.test(message));
  const place = about ? about.error : general;
  place.textContent = message;
  place.hidden = false;
  if (about) {
    about.input.setAttribute("aria-invalid", "true");
    about.input.focus();
  }
}
