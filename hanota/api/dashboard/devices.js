// One device: who it is, how it is heard, what it runs, and what may be done with it.

import { attempt, notice } from "./announce.js";
import { post, remove } from "./api.js";
import { field, openDialog } from "./dialogs.js";
import { button, element, facts, say, unbroken } from "./dom.js";
import { hex } from "./format.js";
import { startUpdate } from "./start_update.js";
import { stateOf } from "./transfer.js";

const HIGHEST_LQI = 255;
const VERSION_WAIT = 20;

export class DeviceCard {
  #bench; #facts = element("div"); #state = element("p", { class: "state" }); #shown = "";
  #actions = element("p", { class: "actions", tabindex: "-1" }); #inLog = null;

  constructor(bench, device) {
    this.#bench = bench;
    this.node = element("li", { class: "card" },
      element("h3", {}, unbroken(`${device.device_type} ${device.device}`)),
      this.#state, this.#facts, this.#actions);
  }

  update(device) {
    const job = this.#bench.openJob(device.device);
    const words = JSON.stringify([device, job?.id, job && stateOf(job)]);
    if (words === this.#shown) return;
    this.#shown = words;
    this.#offer(device);
    say(this.#state, readiness(device));
    this.#state.dataset.state = device.ready ? "ready" : "away";
    this.#facts.replaceChildren(facts(
      ["Signal", signal(device)],
      ["Runs", device.firmware_version ?? "not known yet"],
      ["Model", device.model],
      ["Manufacturer", device.manufacturer_code === null ? null : hex(device.manufacturer_code)],
      ["Hardware version", device.hardware_version === null ? null : hex(device.hardware_version)],
      ["Link key", device.link_key_suite === null ? null : `suite ${device.link_key_suite}`],
      ["Inventory", device.status],
      ["Job", job && element("a", { href: `#job/${job.id}` }, `${job.id}, ${stateOf(job)}`)],
    ));
  }

  /** Have the buttons that are due; made anew only where others are, and focus stays nearby. */
  #offer(device) {
    if (device.in_device_log === this.#inLog) return;
    this.#inLog = device.in_device_log;
    const focused = this.#actions.contains(document.activeElement);
    this.#actions.replaceChildren(...this.#buttons(device));
    if (focused) (this.#actions.querySelector("button") ?? this.#actions).focus();
  }

  #buttons({ device, in_device_log: inLog }) {
    const bench = this.#bench;
    const buttons = [];
    const named = (label) => ({ "aria-label": `${label} ${device}` });
    if (!inLog) {
      if (!bench.may("activator")) return [];
      return [button("Forget…", () => forgetDevice(bench, device), { class: "danger", ...named("Forget") })];
    }
    if (bench.may("operator")) {
      buttons.push(
        button("Update…", () => startUpdate(bench, { device }), named("Update")),
        button("Read version", () => readVersion(device), named("Read version of")),
      );
    }
    if (bench.may("activator")) {
      buttons.push(button("Remove…", () => removeDevice(device), { class: "danger", ...named("Remove") }));
    }
    return buttons;
  }
}

function readiness(device) {
  if (!device.in_device_log) return "not in the Device Log";
  return device.ready ? "ready" : "not ready: it has not joined, or has no link key yet";
}

/** The signal as a meter and in figures; null before anything was heard. */
function signal({ device, lqi = null, rssi = null }) {
  if (lqi === null && rssi === null) return "not heard yet";
  const words = [lqi === null ? null : `LQI ${lqi}`, rssi === null ? null : `${rssi} dBm`];
  const text = element("span", {}, words.filter((each) => each !== null).join(", "));
  if (lqi === null) return text;
  const meter = element("meter", {
    min: 0, max: HIGHEST_LQI, low: HIGHEST_LQI / 4, value: lqi, "aria-label": `Link quality of ${device}`,
  });
  return element("span", { class: "signal" }, meter, " ", text);
}

async function readVersion(device) {
  await attempt(async () => {
    notice(`Asking ${device} for its version.`);
    const answer = await post(`/devices/${device}/read-version?wait=${VERSION_WAIT}`);
    if (answer.firmware_version !== null) notice(`${device} runs ${answer.firmware_version}.`);
    else notice(`${device}: ${answer.reason || answer.state}.`);
  });
}

function removeDevice(device) {
  openDialog({
    title: `Remove ${device}?`,
    content: element("p", {}, "It leaves the Device Log: its update ends, its link key is void, and it is "
      + "told to leave the HAN. To come back it needs its install code."),
    label: "Remove",
    danger: true,
    submit: async () => {
      await remove(`/devices/${device}`);
      notice(`${device} is removed.`);
    },
  });
}

function forgetDevice(bench, device) {
  openDialog({
    title: `Forget ${device}?`,
    content: element("p", {}, "The inventory forgets its status, model and versions."),
    label: "Forget",
    danger: true,
    submit: async () => {
      await remove(`/devices/${device}/inventory`);
      await bench.load();  // no event tells of it
      notice(`${device} is forgotten.`);
    },
  });
}

/** Ask for a new device of the Device Log. */
export function addDevice() {
  const text = { autocomplete: "off", spellcheck: "false", required: true };
  const device = element("input", { name: "device", maxlength: 30, ...text });
  const code = element("input", { name: "code", maxlength: 80, ...text });
  const type = element("select", { name: "type" },
    ["PPMID", "HCALCS", "ESME", "GSME"].map((name) => element("option", { value: name }, name)));
  const minutes = element("input", {
    name: "minutes", type: "number", min: 1, max: 60, value: 60, required: true,
  });
  openDialog({
    title: "Add a device",
    content: [
      field("EUI-64", device, "16 hex digits, as on the label."),
      field("Device type", type),
      field("Install code", code, "As on the label; with or without its CRC."),
      field("Minutes it may join", minutes),
    ],
    label: "Add",
    submit: async () => {
      const added = await post("/devices", {
        device: device.value.trim(),
        device_type: type.value,
        install_code: code.value.trim(),
        join_seconds: 60 * Number(minutes.value),
      });
      notice(`${added.device} may join now: switch it on.`);
    },
  });
}
