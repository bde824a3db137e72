// The bench: updates under way, devices, updates that have ended.

import { attempt } from "./announce.js";
import { DeviceCard, addDevice } from "./devices.js";
import { Keyed, button, element, say, unbroken } from "./dom.js";
import { dateTime } from "./format.js";
import { JobActions } from "./job_actions.js";
import { startUpdate } from "./start_update.js";
import { Transfer, stateOf } from "./transfer.js";

class UpdateCard {
  #transfer; #actions;

  constructor(bench, job) {
    this.#transfer = new Transfer(bench, job);
    this.#actions = new JobActions(bench);
    const link = element("a", { href: `#job/${job.id}` }, `Job ${job.id}`);
    this.node = element("li", { class: "card" },
      element("h3", {}, link, unbroken(` ${job.kind} ${job.device}`)),
      element("p", { class: "quiet" }, `to firmware version ${job.firmware_version}`),
      this.#transfer.node, this.#actions.node);
  }

  update(job) {
    this.#transfer.update(job);
    this.#actions.update(job);
  }
}

class EndedRow {
  #state;

  constructor(job) {
    this.#state = element("span", { class: "state" });
    this.node = element("li", { class: "row" },
      element("a", { href: `#job/${job.id}` }, `Job ${job.id}`),
      element("span", {}, `${job.device}, ${job.firmware_version}`),
      this.#state,
      element("time", { datetime: job.updated, class: "quiet" }, dateTime(job.updated)));
  }

  update(job) {
    say(this.#state, job.reason ? `${stateOf(job)}: ${job.reason}` : stateOf(job));
    this.#state.dataset.state = job.state;
  }
}

function aboutHub({ eui64, ready, version, documents_waiting: documents }) {
  const words = [`Hub ${eui64 ?? "without a coordinator"}`, `hanota ${version}`];
  if (ready) words.splice(1, 0, "ready");
  if (documents > 0) words.push(`${documents} documents wait for service users`);
  return words.join(" · ");
}

/** Make the view; it follows `bench` until `signal` aborts. */
export function benchView(bench, signal) {
  const openList = element("ul", { class: "cards" });
  const deviceList = element("ul", { class: "cards" });
  const endedList = element("ul", { class: "rows" });
  const noOpen = element("p", { class: "quiet" }, "No update is under way.");
  const noDevices = element("p", { class: "quiet" }, "No device is in the Device Log.");
  const noEnded = element("p", { class: "quiet" }, "None yet.");
  const loadOlder = () => attempt(() => bench.loadOlderJobs());
  const older = button("Older", loadOlder, { "aria-label": "Older updates" });
  const open = new Keyed(openList, (job) => job.id, (job) => new UpdateCard(bench, job));
  const devices = new Keyed(deviceList, (device) => device.device, (device) => new DeviceCard(bench, device));
  const ended = new Keyed(endedList, (job) => job.id, (job) => new EndedRow(job));
  const hub = element("p", { class: "quiet" });
  const faults = element("p", { class: "problem" });
  const mayStart = bench.may("operator");
  const start = mayStart ? button("Start an update…", () => startUpdate(bench), { class: "primary" }) : null;
  const add = mayStart ? button("Add a device…", addDevice) : null;
  const node = element("div", { class: "view" },
    element("h1", {}, "Bench"), hub, faults,
    element("section", { "aria-labelledby": "open-title" },
      element("header", {}, element("h2", { id: "open-title" }, "Updates under way"), start),
      noOpen, openList),
    element("section", { "aria-labelledby": "devices-title" },
      element("header", {}, element("h2", { id: "devices-title" }, "Devices"), add), noDevices, deviceList),
    element("section", { "aria-labelledby": "ended-title" },
      element("header", {}, element("h2", { id: "ended-title" }, "Updates that have ended")),
      noEnded, endedList, element("p", { class: "actions" }, older)));

  const update = () => {
    const jobs = [...bench.jobs.values()].sort((a, b) => b.id - a.id);
    const shown = bench.devices.filter((device) => device.device !== bench.hub.eui64);
    say(hub, aboutHub(bench.hub));
    say(faults, bench.hub.faults.length ? `Not ready: ${bench.hub.faults.join("; ")}` : "");
    open.show(jobs.filter((job) => !job.ended));
    ended.show(jobs.filter((job) => job.ended));
    devices.show(shown);
    noOpen.hidden = jobs.some((job) => !job.ended);
    noEnded.hidden = jobs.some((job) => job.ended);
    noDevices.hidden = shown.length > 0;
    older.hidden = !bench.moreJobs;
  };
  bench.addEventListener("change", update, { signal });
  update();
  return { node, title: "Bench" };
}
