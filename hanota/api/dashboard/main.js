// The dashboard: log in, follow the journal, show the view that the address names.

import { attempt, fault, notice } from "./announce.js";
import { ApiError, get, session } from "./api.js";
import { auditView } from "./audit.js";
import { Bench } from "./bench.js";
import { benchView } from "./bench_view.js";
import { button, element, say } from "./dom.js";
import { imagesView } from "./images.js";
import { jobView } from "./job_view.js";
import { alertsView, journalView } from "./journal.js";
import { Live } from "./live.js";
import { showLogin } from "./login.js";
import { productsView } from "./products.js";
import { ALERTS, FAULTS, describe } from "./words.js";

const VIEWS = [
  { name: "bench", label: "Bench", make: benchView },
  { name: "images", label: "Images", make: imagesView },
  { name: "products", label: "Products", make: productsView },
  { name: "alerts", label: "Alerts", make: alertsView },
  { name: "journal", label: "Journal", make: journalView },
  { name: "audit", label: "Audit", make: auditView, role: "activator" },
];
/** Ends of an update: told aloud wherever one is looking. */
const ENDS = ["activated", "held", "rejected", "invalid_image", "aborted", "expired", "failed"];

const main = document.getElementById("main");
const navigation = document.getElementById("views");
const connection = document.getElementById("connection");
const who = document.getElementById("who");

let current = null;

/** One visit, from logging in to logging out. */
class Visit {
  #bench = new Bench(); #ended = new AbortController(); #view = null; #live = null; #views = [];

  async begin() {
    await this.#bench.load();
    const { hub } = this.#bench;
    const { signal } = this.#ended;
    who.replaceChildren(`${hub.caller}, ${hub.role} `, button("Log out", () => leave()));
    this.#views = VIEWS.filter(({ role = "observer" }) => this.#bench.may(role));
    navigation.replaceChildren(...this.#views.map(({ name, label }) => element("a", { href: `#${name}` }, label)));
    for (const part of [who, navigation, connection]) part.hidden = false;
    window.addEventListener("hashchange", () => this.#show(true), { signal });
    // A file dropped beside the place for it must not take the dashboard's.
    for (const type of ["dragover", "drop"]) {
      window.addEventListener(type, (event) => event.preventDefault(), { signal });
    }
    await this.#show(false);
    this.#live = new Live(hub.last_event, {
      event: (event) => this.#take(event),
      state: (name, detail) => this.#connected(name, detail),
      anew: () => attempt(() => this.#bench.load()),
      refused: (error) => leave(error.words),
    });
    this.#live.run();
  }

  end() {
    this.#ended.abort();
    this.#view?.abort();
    this.#live?.stop();
    this.#bench.close();
    for (const part of [who, navigation, connection]) part.hidden = true;
  }

  #take(event) {
    this.#bench.takeEvent(event);
    if (event.kind === "job.state" && ENDS.includes(event.state)) notice(describe(event));
    else if (ALERTS.includes(event.kind)) notice(describe(event));
    else if (FAULTS.includes(event.kind)) fault(describe(event));
  }

  #connected(name, detail) {
    const before = connection.dataset.state;
    this.#bench.connected = name === "live";
    connection.dataset.state = name;
    if (name === "lost") {
      say(connection, `Connection lost at event ${detail.after}; next try in ${detail.seconds} s`);
      if (before !== name) fault("Connection to the daemon lost; what is shown may be out of date.");
      return;
    }
    say(connection, "Live");
    if (detail !== null) {
      notice(`Connected again; the events after ${detail.after} follow.`);
      attempt(() => this.#bench.load());
    }
  }

  /** Show the view that the address names; `moved`: somebody went there, so that the focus goes too. */
  async #show(moved) {
    this.#view?.abort();
    const shown = this.#view = new AbortController();
    for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
    const [name, id] = location.hash.slice(1).split("/");
    const known = this.#views.find((view) => view.name === name) ?? this.#views[0];
    const isJob = name === "job" && /^\d{1,15}$/.test(id ?? "");
    for (const link of navigation.children) {
      const here = link.hash === (isJob ? "#bench" : `#${known.name}`);
      if (here) link.setAttribute("aria-current", isJob ? "true" : "page");
      else link.removeAttribute("aria-current");
    }
    try {
      const view = isJob
        ? await jobView(this.#bench, shown.signal, Number(id))
        : await known.make(this.#bench, shown.signal);
      if (shown.signal.aborted) return;
      main.replaceChildren(view.node);
      document.title = `${view.title} - hanota`;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (shown.signal.aborted) return;
      main.replaceChildren(element("p", { class: "problem" }, error.words));
    }
    if (moved) {
      window.scrollTo(0, 0);
      main.focus();
    }
  }
}

async function enter() {
  current = new Visit();
  try {
    await current.begin();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    leave(error.words);
  }
}

function leave(words = "") {
  current?.end();
  current = null;
  session.end();
  showLogin(main, enter, words);
}

/** Enter as whom the browser's certificate names, or ask for a token. */
async function enterByCertificate() {
  try {
    await get("/hub");
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    showLogin(main, enter);
    return;
  }
  enter();
}

if (session.token !== null) enter();
else if (location.protocol.startsWith("https")) enterByCertificate();
else showLogin(main, enter);
