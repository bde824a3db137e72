// Asking for the token.

import { ApiError, get, session } from "./api.js";
import { field } from "./dialogs.js";
import { element, say } from "./dom.js";

/** Show the form in `place`; `entered()` is called once a token is let in. `words`: why it is asked for. */
export function showLogin(place, entered, words = "") {
  const token = element("input", {
    type: "password", name: "token", required: true, autocomplete: "off", spellcheck: "false",
  });
  const problem = element("p", { class: "problem", role: "alert" }, words);
  const form = element("form", { class: "login card" },
    element("h1", {}, "hanota"),
    field("Token", token, "The daemon's log says where the token of this bench is."),
    problem,
    element("p", { class: "actions" }, element("button", { type: "submit", class: "primary" }, "Log in")));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    say(problem, "");
    session.begin(token.value.trim());
    try {
      await get("/hub");
    } catch (error) {
      session.end();
      if (!(error instanceof ApiError)) throw error;
      say(problem, error.words);
      token.select();
      return;
    }
    entered();
  });
  place.replaceChildren(form);
  document.title = "Log in - hanota";
  token.focus();
}
