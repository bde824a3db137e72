// The image library: files are dropped here, or chosen with a button.

import { attempt, fault, notice } from "./announce.js";
import { post } from "./api.js";
import { choice, group, openDialog } from "./dialogs.js";
import { Keyed, button, element, facts } from "./dom.js";
import { count, dateTime, hex, short } from "./format.js";
import { readHeader } from "./ota_header.js";
import { startUpdate } from "./start_update.js";

/** Files taken at once: each is asked about. */
const FILES = 10;

class ImageCard {
  constructor(bench, image) {
    const name = { "aria-label": `Update with ${image.kind} ${image.firmware_version}` };
    const buttons = [];
    if (bench.may("operator")) {
      buttons.push(button("Update…", () => startUpdate(bench, { image: image.digest }), name));
    }
    if (bench.may("activator")) {
      buttons.push(button("Retire…", () => retire(bench, image), {
        class: "danger", "aria-label": `Retire ${image.kind} ${image.firmware_version}`,
      }));
    }
    const hardware = [image.minimum_hardware_version, image.maximum_hardware_version]
      .filter((version) => version !== null).map((version) => hex(version));
    this.node = element("li", { class: "card" },
      element("h2", {}, `${image.kind} ${image.firmware_version}`),
      facts(
        ["Manufacturer", hex(image.manufacturer_code)],
        ["Image type", hex(image.image_type)],
        ["Hardware versions", hardware.join(" to ")],
        ["Size", `${count(image.octets)} octets`],
        ["Supplier's signature", image.signature],
        ["Hash", element("code", {}, image.manufacturer_image_hash)],
        ["File", element("code", {}, short(image.digest))],
        ["Added", element("time", { datetime: image.added }, dateTime(image.added))],
      ),
      element("p", { class: "actions" }, buttons));
  }

  update() {}  // an image never changes
}

/** Make the view; it follows `bench` until `signal` aborts. */
export function imagesView(bench, signal) {
  const list = element("ul", { class: "cards" });
  const none = element("p", { class: "quiet" }, "The library is empty.");
  const images = new Keyed(list, (image) => image.digest, (image) => new ImageCard(bench, image));
  const node = element("div", { class: "view" },
    element("h1", {}, "Images"), bench.may("operator") ? dropZone(bench) : null, none, list);
  const update = () => {
    images.show([...bench.images].reverse());
    none.hidden = bench.images.length > 0;
  };
  bench.addEventListener("change", update, { signal });
  update();
  return { node, title: "Images" };
}

function dropZone(bench) {
  const input = element("input", {
    type: "file", multiple: true, id: "files", class: "unseen", tabindex: "-1",
  });
  const choose = button("Choose files…", () => input.click(), { class: "primary" });
  const zone = element("section", { class: "drop", "aria-label": "Add images" },
    element("p", {}, "Drop OTA Upgrade Images here, or "), choose,
    element("label", { for: "files", class: "unseen" }, "Image files"), input);
  input.addEventListener("change", async () => {
    const files = [...input.files];
    input.value = "";
    await addAll(bench, files);
  });
  const over = (event) => {
    event.preventDefault();
    zone.classList.add("over");
  };
  zone.addEventListener("dragenter", over);
  zone.addEventListener("dragover", over);
  zone.addEventListener("dragleave", (event) => {
    if (!zone.contains(event.relatedTarget)) zone.classList.remove("over");
  });
  zone.addEventListener("drop", async (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    await addAll(bench, [...event.dataTransfer.files]);
  });
  return zone;
}

async function addAll(bench, files) {
  if (files.length > FILES) {
    fault(`${files.length} files, at most ${FILES} at once`);
    return;
  }
  for (const file of files) {
    const header = await readHeader(file);
    if (header === null) fault(`${file.name} is no OTA Upgrade Image`);
    else if (header.kind !== null) await attempt(() => add(bench, file, header.kind));
    else await askKind(bench, file, header);
  }
}

async function add(bench, file, kind) {
  const image = await post(`/images?kind=${kind}`, file);
  bench.takeImage(image);
  notice(`${kind} image ${image.firmware_version} is in the library, ${count(image.octets)} octets.`);
}

/** The image type of the header says nothing: somebody has to. */
function askKind(bench, file, header) {
  return new Promise((resolve) => {
    const dialog = openDialog({
      title: "For which devices?",
      content: [
        element("p", {}, `${file.name}, version ${header.version}, does not say which devices it is for.`),
        group("Devices", choice("radio", "kind", "PPMID", "PPMID", { checked: true }),
          choice("radio", "kind", "HCALCS", "HCALCS")),
      ],
      label: "Add",
      submit: (form) => add(bench, file, form.elements.kind.value),
    });
    dialog.addEventListener("close", resolve);
  });
}

function retire(bench, image) {
  const used = [...bench.jobs.values()].some((job) => job.image === image.digest && !job.ended);
  openDialog({
    title: `Retire ${image.kind} ${image.firmware_version}?`,
    content: [
      element("p", {}, "No new update can use it. It is back once its file is added again."),
      used ? element("p", {}, "An update under way uses it, and keeps it.") : null,
    ],
    label: "Retire",
    danger: true,
    submit: async () => {
      bench.takeImage(await post(`/images/${image.digest}/retire?force=${used}`));
      notice(`${image.kind} image ${image.firmware_version} is retired.`);
    },
  });
}
