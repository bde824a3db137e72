// The audit trail: who had what done, who was refused it, and whether the trail was tampered with.

import { attempt } from "./announce.js";
import { ApiError, get } from "./api.js";
import { Keyed, button, element, unbroken } from "./dom.js";
import { dateTime, when } from "./format.js";
import { spoken } from "./words.js";

const PAGE = 100;
const SHOWN = 500;
/** Rows come as people and programs ask; no event tells of them. */
const LOOK_INTERVAL = 3000;

class AuditRow {
  constructor(row) {
    const refused = row.outcome.startsWith("refused");
    this.node = element("li", { class: "row audit" },
      element("time", { datetime: row.at, title: dateTime(row.at) }, when(row.at)),
      element("span", {}, row.role ? `${row.actor}, ${row.role}` : row.actor),
      element("span", {}, `${spoken(row.action)}: `, element("span", { class: "quiet" }, unbroken(row.target))),
      element("span", {}, unbroken(row.outcome)),
      refused ? element("span", { class: "badge fault" }, "refused") : null);
  }

  update() {}  // a row never changes
}

/** Make the view; it looks for new rows until `signal` aborts. */
export async function auditView(bench, signal) {
  const trail = new Trail();
  const verdict = element("p", { role: "status" });
  const verify = button("Verify", () => attempt(() => verifyChain(verdict)), {
    "aria-label": "Verify the chain of hashes",
  });
  await trail.begin();
  follow(bench, trail, signal);
  const node = element("div", { class: "view" },
    element("header", {}, element("h1", {}, "Audit trail"), verify), verdict, ...trail.nodes);
  return { node, title: "Audit trail" };
}

async function follow(bench, trail, signal) {
  while (!signal.aborted) {
    await new Promise((resolve) => { setTimeout(resolve, LOOK_INTERVAL); });
    if (signal.aborted) return;
    try {
      if (bench.connected && !document.hidden) await trail.lookAhead();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;  // that the daemon is gone the bar tells
    }
  }
}

/** Have the daemon walk the chain, and tell what it found. */
async function verifyChain(place) {
  place.textContent = "Verifying…";
  place.className = "quiet";
  try {
    const { intact, rows, head, broken, fault } = await get("/audit/verify");
    place.className = intact ? "" : "problem";
    if (!intact) place.textContent = `Row ${broken}: ${fault}. The rows before it are in order.`;
    else if (rows === 0) place.textContent = "There is no row yet.";
    else {
      place.replaceChildren(`${rows} rows, each as it was written. Note the last one's hash elsewhere: `,
        element("code", {}, `${rows}:${head}`));
    }
  } catch (error) {
    place.textContent = "";
    throw error;
  }
}

class Trail {
  #list = element("ul", { class: "rows" }); #none = element("p", { class: "quiet" }, "No row yet.");
  /** Newest first. */
  #rows = []; #last = 0;
  /** Whether the newest are shown: not where so many older ones were asked for that they had to go. */
  #following = true;
  #shown = new Keyed(this.#list, (row) => row.seq, (row) => new AuditRow(row));
  #older = button("Older", () => attempt(() => this.#lookBack()), { "aria-label": "Older rows" });
  #newest = button("Newest", () => attempt(() => this.begin()), { "aria-label": "Newest rows" });

  get nodes() {
    return [this.#none, this.#list, element("p", { class: "actions" }, this.#older, this.#newest)];
  }

  /** Begin anew with the newest. */
  async begin() {
    const page = await get("/audit", { newest: PAGE });
    this.#following = true;
    this.#last = page.last;
    this.#rows = page.rows.reverse();
    this.#show();
  }

  /** Read the rows that have come. */
  async lookAhead() {
    if (!this.#following) return;
    const page = await get("/audit", { after: this.#last, limit: SHOWN });
    if (page.rows.length === 0 || !this.#following) return;
    this.#last = page.rows.at(-1).seq;
    this.#rows = [...page.rows.reverse(), ...this.#rows].slice(0, SHOWN);
    this.#show();
  }

  /** Read the rows before the oldest one shown; what is above the bound goes at the newer end. */
  async #lookBack() {
    const oldest = this.#rows.at(-1)?.seq ?? 1;
    const after = Math.max(0, oldest - 1 - PAGE);
    if (oldest === 1) return;
    const page = await get("/audit", { after, limit: oldest - 1 - after });
    this.#rows.push(...page.rows.reverse());
    const above = Math.max(0, this.#rows.length - SHOWN);
    this.#rows.splice(0, above);
    if (above > 0) this.#following = false;
    this.#show();
  }

  #show() {
    this.#shown.show(this.#rows);
    this.#none.hidden = this.#rows.length > 0;
    this.#older.hidden = (this.#rows.at(-1)?.seq ?? 1) <= 1;
    this.#newest.hidden = this.#following;
  }
}
