// Listing a product: an image of the library, or one that is known by its hash alone.

import { notice } from "./announce.js";
import { post } from "./api.js";
import { field, group, openDialog } from "./dialogs.js";
import { element } from "./dom.js";
import { hex, short } from "./format.js";

const TYPES = ["PPMID", "HCALCS", "ESME", "GSME"];
const CODE = { maxlength: 6, pattern: "(0[xX])?[0-9A-Fa-f]{1,4}", placeholder: "any" };

/** Ask for an entry; `changed()` is awaited when it is on the list. */
export function listProduct(bench, changed) {
  const form = new ProductForm(bench);
  openDialog({
    title: "List a product",
    content: form.nodes,
    label: "List",
    submit: async () => {
      const listed = await post("/products", form.entry);
      await changed();
      notice(`${listed.device_type} ${listed.firmware_version} is on the list.`);
    },
  });
}

class ProductForm {
  #bench; #image; #type; #hash; #version; #manufacturer; #imageType; #model; #lowest; #highest; #gbcs;

  constructor(bench) {
    this.#bench = bench;
    const input = (name, more) => element("input", { name, autocomplete: "off", spellcheck: "false", ...more });
    this.#image = element("select", { name: "image" },
      element("option", { value: "" }, "another one"),
      [...bench.images].reverse().map((image) => element("option", { value: image.digest },
        `${image.kind} ${image.firmware_version}, ${short(image.digest)}`)));
    this.#type = element("select", { name: "type" }, TYPES.map((name) => element("option", { value: name }, name)));
    this.#hash = input("hash", { required: true, maxlength: 64, pattern: "[0-9A-Fa-f]{64}" });
    this.#version = input("version", { required: true, maxlength: 8, pattern: "[0-9A-Fa-f]{8}" });
    this.#manufacturer = input("manufacturer", CODE);
    this.#imageType = input("image_type", CODE);
    this.#model = input("model", { maxlength: 30, placeholder: "any" });
    this.#lowest = input("lowest", CODE);
    this.#highest = input("highest", CODE);
    this.#gbcs = input("gbcs", { maxlength: 11, pattern: "[0-9]{1,3}(\\.[0-9]{1,3}){0,2}" });
    this.#image.addEventListener("change", () => this.#fill());
  }

  get nodes() {
    return [
      field("Image", this.#image, "One of the library fills in what its header says."),
      field("Device type", this.#type),
      field("Manufacturer Image Hash", this.#hash, "64 hex digits."),
      field("Firmware version", this.#version, "8 hex digits, as in the OTA Header."),
      group("For which devices",
        field("Manufacturer", this.#manufacturer, "In hex, such as 0x121D."),
        field("Image type", this.#imageType, "In hex, as in the OTA Header."),
        field("Model", this.#model),
        field("Lowest hardware version", this.#lowest, "In hex."),
        field("Highest hardware version", this.#highest, "In hex.")),
      field("GBCS version", this.#gbcs, "That the firmware is built to, such as 4.1; may be empty."),
    ];
  }

  /** The entry in the form of REST. */
  get entry() {
    return {
      device_type: this.#type.value,
      manufacturer_image_hash: this.#hash.value.toLowerCase(),
      firmware_version: this.#version.value.toUpperCase(),
      manufacturer_code: code(this.#manufacturer),
      image_type: code(this.#imageType),
      model: this.#model.value.trim(),
      minimum_hardware_version: code(this.#lowest),
      maximum_hardware_version: code(this.#highest),
      gbcs_version: this.#gbcs.value || null,
    };
  }

  #fill() {
    const image = this.#bench.image(this.#image.value);
    if (image === undefined) return;
    this.#type.value = image.kind;
    this.#hash.value = image.manufacturer_image_hash;
    this.#version.value = image.firmware_version;
    this.#manufacturer.value = hex(image.manufacturer_code);
    this.#imageType.value = hex(image.image_type);
    this.#lowest.value = image.minimum_hardware_version === null ? "" : hex(image.minimum_hardware_version);
    this.#highest.value = image.maximum_hardware_version === null ? "" : hex(image.maximum_hardware_version);
  }
}

function code(input) {
  return input.value === "" ? null : Number.parseInt(input.value, 16);
}
