// The products list: which images are for which devices.

import { attempt, notice } from "./announce.js";
import { get, post, remove } from "./api.js";
import { openDialog } from "./dialogs.js";
import { Keyed, button, element, facts } from "./dom.js";
import { hex } from "./format.js";
import { listProduct } from "./list_product.js";

const ACTIVE = "Active";
const ANY = "any";

/** What an entry is about: the list has one for it. */
const keyOf = (product) => JSON.stringify([
  product.device_type, product.manufacturer_code, product.image_type, product.model, product.firmware_version,
  product.manufacturer_image_hash, product.status,
]);

class ProductCard {
  constructor(bench, product, changed) {
    const name = named(product);
    const buttons = [];
    if (bench.may("activator")) {
      if (product.status === ACTIVE) {
        buttons.push(button("Withdraw…", () => withdraw(product, changed), { "aria-label": `Withdraw ${name}` }));
      }
      buttons.push(button("Remove…", () => removeProduct(product, changed), {
        class: "danger", "aria-label": `Remove ${name}`,
      }));
    }
    this.node = element("li", { class: "card" },
      element("h2", {}, name),
      element("p", { class: "state", "data-state": product.status === ACTIVE ? "ready" : "away" },
        product.status),
      facts(
        ["Manufacturer", orAny(product.manufacturer_code)],
        ["Image type", orAny(product.image_type)],
        ["Model", product.model || ANY],
        ["Hardware versions", hardware(product)],
        ["GBCS version", product.gbcs_version],
        ["Hash", element("code", {}, product.manufacturer_image_hash)],
      ),
      element("p", { class: "actions" }, buttons));
  }

  update() {}  // one that changes is another
}

/** Make the view; it follows `bench` until `signal` aborts. */
export async function productsView(bench, signal) {
  const list = element("ul", { class: "cards" });
  const rule = element("p", { class: "quiet" });
  const cards = new Keyed(list, keyOf, (product) => new ProductCard(bench, product, () => load()));
  async function load() {
    const { products } = await get("/products");
    if (signal.aborted) return;
    cards.show(products);
    const types = [...new Set(products.map((product) => product.device_type))].sort();
    rule.textContent = types.length === 0
      ? "The list is empty: any image may go to any device."
      : `${types.join(" and ")} devices are given images that are Active here, and no others; other devices any.`;
  }
  const add = bench.may("operator")
    ? button("List a product…", () => listProduct(bench, load), { class: "primary" }) : null;
  bench.addEventListener("journal", ({ detail }) => {
    if (detail.kind.startsWith("products_list.")) attempt(load);
  }, { signal });
  await load();
  const node = element("div", { class: "view" },
    element("header", {}, element("h1", {}, "Products"), add), rule, list);
  return { node, title: "Products" };
}

function named(product) {
  return `${product.device_type} ${product.firmware_version}${product.model ? ` for ${product.model}` : ""}`;
}

function orAny(code) {
  return code === null ? ANY : hex(code);
}

function hardware({ minimum_hardware_version: lowest, maximum_hardware_version: highest }) {
  if (lowest === null && highest === null) return ANY;
  if (lowest === null) return `up to ${hex(highest)}`;
  return highest === null ? `from ${hex(lowest)}` : `${hex(lowest)} to ${hex(highest)}`;
}

function withdraw(product, changed) {
  openDialog({
    title: `Withdraw ${named(product)}?`,
    content: [
      element("p", {}, "No further device is given this image, by any of its entries. They stay on the list."),
      facts(["Hash", element("code", {}, product.manufacturer_image_hash)]),
    ],
    label: "Withdraw",
    danger: true,
    submit: async () => {
      await post(`/products/${product.manufacturer_image_hash}/withdraw`);
      await changed();
      notice(`${named(product)} is withdrawn.`);
    },
  });
}

function removeProduct(product, changed) {
  openDialog({
    title: `Remove ${named(product)}?`,
    content: [
      element("p", {}, "For an entry that was a mistake. Firmware that was in use is better withdrawn: without "
        + "an entry, devices of this type may be given any image."),
      facts(["Hash", element("code", {}, product.manufacturer_image_hash)]),
    ],
    label: "Remove",
    danger: true,
    submit: async () => {
      const chosen = new URLSearchParams({
        device_type: product.device_type,
        firmware_version: product.firmware_version,
        model: product.model,
        manufacturer_code: product.manufacturer_code ?? ANY,
        image_type: product.image_type ?? ANY,
      });
      await remove(`/products/${product.manufacturer_image_hash}?${chosen}`);
      await changed();
      notice(`${named(product)} is removed from the list.`);
    },
  });
}
