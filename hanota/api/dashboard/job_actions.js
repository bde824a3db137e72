// What may be done with an update, by whom, and the questions asked before what cannot be taken back.

import { attempt, notice } from "./announce.js";
import { get, post } from "./api.js";
import { choice, field, group, openDialog } from "./dialogs.js";
import { button, element, facts } from "./dom.js";
import { instant } from "./format.js";

const DOWNLOADING = ["accepted", "notified", "queried", "transferring"];
const WITH_IMAGE = ["transferred", "held", "activating"];

/** The buttons of one update; they are made anew only where others are due, and focus stays nearby. */
export class JobActions {
  #bench; #shown = null;

  constructor(bench) {
    this.#bench = bench;
    this.node = element("p", { class: "actions", tabindex: "-1" });
  }

  update(job) {
    const due = actions(this.#bench, job);
    const names = due.map(({ label }) => label).join();
    if (names === this.#shown) return;
    this.#shown = names;
    const focused = this.node.contains(document.activeElement);
    this.node.replaceChildren(...due.map(({ label, act, danger }) => button(label, () => act(), {
      class: danger ? "danger" : null, "aria-label": `${label.replace("…", "")} job ${job.id}`,
    })));
    if (focused) (this.node.querySelector("button") ?? this.node).focus();
  }
}

function actions(bench, job) {
  if (job.ended) return [];
  const current = () => bench.jobs.get(job.id) ?? job;
  const due = [];
  if (bench.may("activator")) {
    if (job.waits_for_approval) due.push({ label: "Approve…", act: () => approve(bench, current()) });
    if (job.kind === "HCALCS" && WITH_IMAGE.includes(job.state) && bench.hub.can_activate) {
      due.push({ label: "Activate…", act: () => activate(bench, current()) });
    }
  }
  if (bench.may("operator")) {
    if (job.paused) due.push({ label: "Resume", act: () => simply(bench, job, "resume", "goes on") });
    else if (DOWNLOADING.includes(job.state)) {
      due.push({ label: "Pause", act: () => simply(bench, job, "pause", "is paused") });
    }
    due.push({ label: "Cancel…", act: () => cancel(bench, current()), danger: true });
  }
  return due;
}

async function simply(bench, job, action, words) {
  await attempt(async () => {
    bench.takeJob(await post(`/jobs/${job.id}/${action}`));
    notice(`Job ${job.id} ${words}.`);
  });
}

/** Device, version and hash: what somebody is about to have run. */
function subject(bench, job) {
  const device = bench.device(job.device);
  return facts(
    ["Device", `${job.kind} ${job.device}${device?.model ? `, ${device.model}` : ""}`],
    ["Runs now", device?.firmware_version ?? "not known"],
    ["Firmware version", job.firmware_version],
    ["Hash", element("code", {}, job.manufacturer_image_hash)],
  );
}

function approve(bench, job) {
  openDialog({
    title: `Approve job ${job.id}?`,
    content: [
      subject(bench, job),
      element("p", {}, job.kind === "PPMID"
        ? "The device gets the last block of its image, and activates it."
        : "The device gets the last block of its image."),
    ],
    label: "Approve",
    danger: true,
    submit: async () => {
      bench.takeJob(await post(`/jobs/${job.id}/approve`));
      notice(`Job ${job.id} is approved.`);
    },
  });
}

function activate(bench, job) {
  const time = element("input", { type: "datetime-local", name: "time", step: "1" });
  const options = [
    choice("radio", "when", "now", "At once", { checked: true }),
    choice("radio", "when", "later", "At a time"),
  ];
  if (job.state === "activating") {
    options.push(choice("radio", "when", "never", "Cancel the activation that is due later"));
  }
  const timed = field("Time", time, "In the time zone of this browser.");
  timed.hidden = true;
  const when = group("When", ...options, timed);
  when.addEventListener("change", (event) => {
    if (event.target.name !== "when") return;
    timed.hidden = event.target.value !== "later";
    time.required = !timed.hidden;
  });
  openDialog({
    title: `Activate the firmware of ${job.device}?`,
    content: [
      subject(bench, job),
      when,
      element("p", {}, "The device gets an Activate Firmware command (CS06) with the supplier's signature."),
    ],
    label: "Activate",
    danger: true,
    submit: async (form) => {
      const chosen = form.elements.when.value;
      const answer = await post(`/jobs/${job.id}/activate`, {
        cancel: chosen === "never", when: chosen === "later" ? instant(time.value) : null,
      });
      bench.takeJob(answer.job);
      notice(`${answer.response_code}: the command for job ${job.id} is on its way to the device.`);
    },
  });
}

function cancel(bench, job) {
  openDialog({
    title: `Cancel job ${job.id}?`,
    content: [
      subject(bench, job),
      element("p", {}, WITH_IMAGE.includes(job.state)
        ? "The device keeps the image it has; this update has no more part in what becomes of it."
        : "The device is told to end its download (ABORT)."),
    ],
    label: "Cancel the job",
    danger: true,
    submit: async () => {
      bench.takeJob(await post(`/jobs/${job.id}/cancel`));
      notice(`Job ${job.id} is cancelled.`);
    },
  });
}

/** Read a job that is not among those known. */
export async function findJob(bench, id) {
  return bench.jobs.get(id) ?? get(`/jobs/${id}`);
}
