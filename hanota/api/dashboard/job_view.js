// One update: what it is, how far it is, what may be done with it, and its message chart.

import { attempt } from "./announce.js";
import { get } from "./api.js";
import { element, facts, unbroken } from "./dom.js";
import { dateTime, short } from "./format.js";
import { JobActions, findJob } from "./job_actions.js";
import { MessageChart, belongs } from "./message_chart.js";
import { Transfer } from "./transfer.js";

const KINDS = ["job", "ota", "service_request", "gbcs", "tunnel", "han"];
const PAGE = 500;
const PAGES = 20;
/** What belongs to a job is told within these milliseconds of its beginning and its end. */
const MARGIN = 2000;

/** Make the view of one job; it follows `bench` until `signal` aborts. */
export async function jobView(bench, signal, id) {
  const first = await findJob(bench, id);
  const actions = new JobActions(bench);
  const transfer = new Transfer(bench, first);
  const about = element("div");
  const chart = new MessageChart();
  const elsewhere = element("p", { class: "quiet", hidden: true },
    "To activate it, have the supplier sign the Pre-Command elsewhere: this daemon has no key of his.");
  const node = element("div", { class: "view" },
    element("h1", {}, `Job ${id}`),
    element("section", { class: "card", "aria-label": "State" },
      transfer.node, actions.node, elsewhere, about),
    element("h2", {}, "Messages"),
    element("p", { class: "quiet" }, "Each opens what it says."), chart.node);
  const job = () => bench.jobs.get(id) ?? first;
  const update = () => {
    transfer.update(job());
    actions.update(job());
    if (about.dataset.state !== job().state) {
      about.dataset.state = job().state;
      about.replaceChildren(factsOf(job()));
    }
    elsewhere.hidden = job().state !== "held" || bench.hub.can_activate;
  };
  const waiting = [];
  let loaded = false;
  const take = (event) => {
    if (!belongs(event, job(), bench.hub.eui64)) return;
    if (loaded) chart.take(event);
    else waiting.push(event);
  };
  bench.addEventListener("change", update, { signal });
  if (!first.ended) bench.addEventListener("journal", ({ detail }) => take(detail), { signal });
  update();
  attempt(async () => {
    const events = await history(first, bench.hub.eui64);
    if (signal.aborted) return;
    for (const event of events) chart.take(event);
    bench.takeHistory(id, events);
    loaded = true;
    for (const event of waiting) chart.take(event);
  });
  return { node, title: `Job ${id}` };
}

function factsOf(job) {
  return facts(
    ["Device", `${job.kind} ${job.device}`],
    ["Firmware version", job.firmware_version],
    ["Image", element("code", {}, short(job.image))],
    ["Hash", element("code", {}, job.manufacturer_image_hash)],
    ["Request", element("code", {}, unbroken(job.request_id))],
    ["Asked for", dateTime(job.created)],
    ["Priority", job.priority === "normal" ? null : job.priority],
    ["Activate at", job.upgrade_at === null ? null : dateTime(job.upgrade_at)],
    ["Ends unless done by", job.expires_at === null || job.ended ? null : dateTime(job.expires_at)],
  );
}

/** Read the events of a job. */
async function history(job, hub) {
  const begun = Date.parse(job.created) - MARGIN;
  const ended = job.ended ? Date.parse(job.updated) + MARGIN : Infinity;
  const found = [];
  let after = await numberBefore(begun);
  for (let pages = 0; pages < PAGES; pages += 1) {
    const { events, next, last } = await get("/events", { after, kind: KINDS, limit: PAGE });
    found.push(...events.filter((event) => Date.parse(event.at) <= ended && belongs(event, job, hub)));
    if (next >= last || next <= after || events.some((event) => Date.parse(event.at) > ended)) break;
    after = next;
  }
  return found;
}

/** Find by halves the number of the last event before a time. */
async function numberBefore(time) {
  let { last: high } = await get("/events", { newest: 1 });
  let low = 0;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const { events } = await get("/events", { after: middle, limit: 1 });
    if (events.length > 0 && Date.parse(events[0].at) < time) low = middle + 1;
    else high = middle;
  }
  return low;
}
