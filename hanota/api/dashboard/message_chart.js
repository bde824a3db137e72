// The sequence of an update: lifelines from the service user to the device, and a message for each event.

import { element } from "./dom.js";
import { openEvent } from "./event_detail.js";
import { when } from "./format.js";
import { describe, parties } from "./words.js";

const LIFELINES = ["service user", "DCC", "hub", "device"];
/** Messages drawn at most: a job that was tried for a week has more than anybody reads. */
const MESSAGES = 400;

/** Tell whether an event belongs to a job: its own ones, and what was said to and of its device meanwhile. */
export function belongs(event, job, hub) {
  if (event.job !== null) return event.job === job.id;
  if (event.request_id === job.request_id) return true;
  if (event.request_id?.includes(`:${job.device}:`)) return true;
  if (event.device === job.device) return /^(gbcs|tunnel|han|service_request)\./.test(event.kind);
  // The hub's own alert (CCS08) names the device in its payload alone.
  return event.device === hub && event.kind === "gbcs.received"
    && (event.message_octets ?? "").includes(job.device.replaceAll("-", "").toLowerCase());
}

export class MessageChart {
  #list = element("ol", { class: "messages" });
  #more = element("p", { class: "quiet", hidden: true }, `The first ${MESSAGES} messages are drawn.`);
  #seen = new Set(); #block = null;

  constructor() {
    this.node = element("section", { class: "chart", "aria-label": "Message chart" },
      element("ol", { class: "lifelines", "aria-hidden": "true" },
        LIFELINES.map((name) => element("li", {}, name))),
      this.#list, this.#more);
  }

  /** Draw an event, once; they come in order. */
  take(event) {
    if (this.#seen.has(event.seq)) return;
    if (this.#seen.size >= MESSAGES) {
      this.#more.hidden = false;
      return;
    }
    this.#seen.add(event.seq);
    const message = draw(event);
    // Image Blocks are thousands: one arrow stands for all of a row, and tells of the last.
    if (event.kind === "ota.progress" && this.#block !== null) this.#block.replaceWith(message);
    else this.#list.append(message);
    this.#block = event.kind === "ota.progress" ? message : null;
  }
}

function draw(event) {
  const [from, to] = ends(event);
  return element("li", {},
    element("button", {
      type: "button",
      class: `message from-${from} to-${to} ${event.kind.split(".")[0]}`,
      onclick: () => openEvent(event),
    },
    element("span", { class: "label" },
      // What the arrow shows, for whoever hears it.
      element("span", { class: "unseen" }, `${parties(event)}: `),
      element("span", { class: "words" }, describe(event)), " ",
      element("time", { datetime: event.at }, when(event.at))),
    element("span", { class: "arrow" })));
}

function ends(event) {
  // Blocks go from the hub to the device, though the event is the device's that asked for them.
  if (event.kind === "ota.progress") return [2, 3];
  // The radio is the hub's.
  return [event.from, event.to].map((party) => LIFELINES.indexOf(party === "radio" ? "hub" : party));
}
