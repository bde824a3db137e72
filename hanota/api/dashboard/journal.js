// The journal, and the alerts in it: the newest as they come, older ones by the page.

import { attempt } from "./announce.js";
import { get } from "./api.js";
import { Keyed, button, element } from "./dom.js";
import { openEvent } from "./event_detail.js";
import { dateTime, when } from "./format.js";
import { ALERTS, FAULTS, badge, describe, fullWords, parties } from "./words.js";

const PAGE = 100;
const SHOWN = 500;
/** Looks at older events for one page: the daemon bounds each, and what is rare may be far back. */
const LOOKS = 20;

const SUBSYSTEMS = [
  "radio", "device_log", "han", "key_establishment", "service_request", "outbox", "inventory",
  "products_list", "daemon", "store", "job", "image", "ota", "tunnel", "gbcs",
];

class EventRow {
  constructor(event) {
    const mark = badge(event);
    this.node = element("li", { class: "row event" },
      element("time", { datetime: event.at, title: dateTime(event.at) }, when(event.at)),
      element("span", { class: "quiet" }, parties(event)),
      element("span", { class: "quiet" }, event.device ?? ""),
      element("button", {
        type: "button", class: "link", "aria-label": fullWords(event), onclick: () => openEvent(event),
      }, describe(event)),
      mark === null ? null : element("span", { class: `badge ${mark}` }, mark));
  }

  update() {}  // an event never changes
}

/** Every event. */
export function journalView(bench, signal) {
  const kinds = element("select", { "aria-label": "Subsystem" },
    element("option", { value: "" }, "every subsystem"),
    SUBSYSTEMS.map((name) => element("option", { value: name }, name.replaceAll("_", " "))));
  const list = new EventList(bench, signal, () => (kinds.value ? [kinds.value] : []));
  kinds.addEventListener("change", () => list.begin());
  return { node: view("Journal", kinds, list), title: "Journal" };
}

/** Alerts of devices and of the DCC, and whatever was refused or went wrong. */
export function alertsView(bench, signal) {
  const list = new EventList(bench, signal, () => [...ALERTS, ...FAULTS]);
  return { node: view("Alerts", null, list), title: "Alerts" };
}

function view(title, control, list) {
  list.begin();
  return element("div", { class: "view" },
    element("header", {}, element("h1", {}, title), control), ...list.nodes);
}

class EventList {
  #kinds; #list = element("ul", { class: "rows" }); #none = element("p", { class: "quiet" }, "Nothing yet.");
  #rows; #events = []; #oldest = Infinity; #begun = 0;
  /** Whether the newest are shown: not where so many older ones were asked for that they had to go. */
  #following = true;
  #older = button("Older", () => attempt(() => this.#lookBack()), { "aria-label": "Older events" });
  #newest = button("Newest", () => this.begin(), { "aria-label": "Newest events" });

  constructor(bench, signal, kinds) {
    this.#kinds = kinds;
    this.#rows = new Keyed(this.#list, (event) => event.seq, (event) => new EventRow(event));
    bench.addEventListener("journal", ({ detail }) => this.#take(detail), { signal });
    this.#show();
  }

  get nodes() {
    return [this.#none, this.#list, element("p", { class: "actions" }, this.#older, this.#newest)];
  }

  /** Begin anew with the newest. */
  begin() {
    this.#begun += 1;
    this.#events = [];
    this.#oldest = Infinity;
    this.#following = true;
    return attempt(() => this.#lookBack());
  }

  #take(event) {
    const kinds = this.#kinds();
    const names = [event.kind, event.kind.split(".")[0]];
    const meant = kinds.length === 0 || names.some((name) => kinds.includes(name));
    if (!meant || !this.#following || event.seq <= (this.#events[0]?.seq ?? 0)) return;
    this.#events.unshift(event);
    if (this.#events.length > SHOWN) {
      this.#events.pop();
      this.#oldest = this.#events.at(-1).seq;
    }
    this.#show();
  }

  /** Read the events before the oldest one shown; what is above the bound goes at the newer end. */
  async #lookBack() {
    const begun = this.#begun;
    const kind = this.#kinds();
    let found = [];
    let end = this.#oldest;
    for (let looks = 0; end > 1 && found.length < PAGE && looks < LOOKS; looks += 1) {
      const before = end === Infinity ? null : end;
      const page = await get("/events", { newest: PAGE - found.length, before, kind });
      found = [...page.events, ...found];
      end = page.previous > page.first ? page.previous : 1;
    }
    if (begun !== this.#begun) return;
    this.#oldest = end;
    const known = new Set(this.#events.map((event) => event.seq));
    this.#events.push(...found.reverse().filter((event) => !known.has(event.seq)));
    const above = Math.max(0, this.#events.length - SHOWN);
    this.#events.splice(0, above);
    if (above > 0) this.#following = false;
    this.#show();
  }

  #show() {
    this.#rows.show(this.#events);
    const read = this.#oldest !== Infinity;
    this.#none.hidden = this.#events.length > 0 || !read;
    this.#older.hidden = this.#oldest <= 1 || !read;
    this.#newest.hidden = this.#following;
  }
}
