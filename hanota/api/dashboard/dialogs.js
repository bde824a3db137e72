// Modal dialogs: <dialog> keeps the focus within, Escape closes, and focus goes back to where it was.

import { button, element, say } from "./dom.js";

let numbered = 0;

/**
 * Open a dialog and return it. With `submit` it is a form: `submit(form)` is awaited, what it throws is
 * shown, and the dialog closes unless it returned false.
 */
export function openDialog({ title, content, submit = null, label = "OK", danger = false, wide = false }) {
  const id = `dialog-${(numbered += 1)}`;
  const opener = document.activeElement;
  const problem = element("p", { class: "problem", role: "alert" });
  const cancel = button(submit === null ? "Close" : "Back", () => dialog.close());
  const done = submit && element("button", { type: "submit", class: danger ? "danger" : "primary" }, label);
  const form = element("form", {},
    element("h2", { id, tabindex: "-1", autofocus: true }, title), content, problem,
    element("p", { class: "actions" }, cancel, done));
  const dialog = element("dialog", { "aria-labelledby": id, class: wide ? "wide" : null }, form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (submit === null || done.getAttribute("aria-disabled") === "true") return;
    done.setAttribute("aria-disabled", "true");
    say(problem, "");
    try {
      if (await submit(form) !== false) dialog.close();
    } catch (error) {
      if (error.words === undefined) throw error;
      say(problem, error.words);
    } finally {
      done.removeAttribute("aria-disabled");
    }
  });
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (opener?.isConnected) opener.focus();
    else document.getElementById("main").focus();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** A labelled control in a form, with an explanation where one is due. */
export function field(label, control, hint = null) {
  const id = `field-${(numbered += 1)}`;
  control.id = id;
  if (hint !== null) control.setAttribute("aria-describedby", `${id}-hint`);
  return element("p", { class: "field" },
    element("label", { for: id }, label), control,
    hint === null ? null : element("small", { id: `${id}-hint` }, hint));
}

/** A checkbox or radio button with its label behind it. */
export function choice(type, name, value, label, { checked = false, disabled = false } = {}) {
  const control = element("input", { type, name, value, checked, disabled });
  return element("label", { class: "choice" }, control, element("span", {}, label));
}

/** A group of controls under one name. */
export function group(legend, ...children) {
  return element("fieldset", {}, element("legend", {}, legend), ...children);
}
