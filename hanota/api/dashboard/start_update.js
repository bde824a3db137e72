// Starting an update: one image for some devices.

import { notice } from "./announce.js";
import { post } from "./api.js";
import { choice, field, group, openDialog } from "./dialogs.js";
import { element, say } from "./dom.js";
import { instant, short } from "./format.js";
import { spoken } from "./words.js";

/** Ask for an update; `image` (its digest) or `device` may be chosen already. */
export function startUpdate(bench, { image = null, device = null } = {}) {
  const wanted = device === null ? null : bench.device(device)?.device_type;
  const images = bench.images.filter((each) => wanted === null || each.kind === wanted);
  if (images.length === 0) {
    openDialog({
      title: "No image",
      content: element("p", {}, `The library has no ${wanted ?? ""} image yet. `,
        element("a", { href: "#images" }, "Add one"), "."),
    });
    return;
  }
  const form = new UpdateForm(bench, images, image ?? images.at(-1).digest, device);
  openDialog({
    title: "Start an update",
    content: form.nodes,
    label: "Start",
    submit: () => form.submit(),
  });
}

class UpdateForm {
  #bench; #image; #devices; #explanation; #approval; #time; #timed; #downgrade; #priority; #results; #chosen;

  constructor(bench, images, digest, device) {
    this.#bench = bench;
    this.#chosen = device;
    this.#image = element("select", { name: "image" }, images.map((image) => element("option", {
      value: image.digest, selected: image.digest === digest,
    }, `${image.kind} ${image.firmware_version}, ${short(image.digest)}`)));
    this.#devices = element("div");
    this.#explanation = element("p", { class: "quiet" });
    this.#approval = choice("checkbox", "approval", "yes", "Keep the last block until somebody approves");
    this.#time = element("input", { type: "datetime-local", name: "time", step: "1" });
    this.#timed = field("Activate at", this.#time,
      "Empty: as soon as it has the image. In the time zone of this browser.");
    this.#downgrade = choice("checkbox", "downgrade", "yes", "Also from a higher version");
    this.#priority = element("select", { name: "priority" },
      ["low", "normal", "high"].map((name) => (
        element("option", { value: name, selected: name === "normal" }, name))));
    this.#results = element("ul", { class: "outcomes" });
    this.#image.addEventListener("change", () => this.#show());
    this.#show();
  }

  get nodes() {
    return [
      field("Image", this.#image),
      group("Devices", this.#devices),
      this.#explanation,
      group("How", this.#approval, this.#downgrade, field("Priority", this.#priority), this.#timed),
      element("div", { role: "status" }, this.#results),
    ];
  }

  get #kind() {
    return this.#bench.image(this.#image.value)?.kind;
  }

  #show() {
    const kind = this.#kind;
    const fitting = this.#bench.devices.filter((each) => each.device_type === kind && each.in_device_log);
    this.#devices.replaceChildren(...fitting.map((each) => {
      const words = [each.device];
      if (each.model) words.push(each.model);
      if (!each.ready) words.push("not ready");
      if (this.#bench.openJob(each.device)) words.push("has a job");
      const checked = each.device === this.#chosen || fitting.length === 1;
      return choice("checkbox", "device", each.device, words.join(", "), { checked });
    }));
    if (fitting.length === 0) this.#devices.append(`No ${kind} is in the Device Log.`);
    const ppmid = kind === "PPMID";
    const bound = ppmid && !this.#bench.may("activator");
    const approval = this.#approval.querySelector("input");
    approval.checked ||= bound;
    approval.disabled = bound;
    this.#timed.hidden = !ppmid;
    say(this.#explanation, ppmid
      ? `A PPMID activates what it gets${bound ? "; an activator has to approve that" : ""}.`
      : "An HCALCS keeps the image until it is activated by a command of its own.");
  }

  async submit() {
    const devices = [...this.#devices.querySelectorAll("input:checked")].map((each) => each.value);
    if (devices.length === 0) {
      this.#tell(["Choose a device."]);
      this.#devices.querySelector("input")?.focus();
      return false;
    }
    const answer = await post("/jobs", {
      image: this.#image.value,
      devices,
      priority: this.#priority.value,
      upgrade_at: this.#kind === "PPMID" ? instant(this.#time.value) : null,
      needs_approval: this.#approval.querySelector("input").checked,
      allow_downgrade: this.#downgrade.querySelector("input").checked,
    });
    for (const { job } of answer.devices) if (job !== null) this.#bench.takeJob(job);
    const refused = answer.devices.filter(({ outcome }) => outcome !== "accepted");
    if (refused.length === 0) {
      notice(`${answer.response_code}: ${devices.length === 1 ? "update" : "updates"} accepted.`);
      return true;
    }
    this.#tell(answer.devices.map(({ device, outcome }) => `${device}: ${spoken(outcome)}`));
    return false;
  }

  #tell(lines) {
    this.#results.replaceChildren(...lines.map((line) => element("li", {}, line)));
  }
}
