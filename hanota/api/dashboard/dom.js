// Elements made in code. Text is always a text node: nothing a device says can become markup.

const SVG = "http://www.w3.org/2000/svg";
/** With the comma or colon behind it, which would begin the next line. */
const EUI64 = /((?:[0-9A-F]{2}-){7}[0-9A-F]{2}[,:]?)/;

/** Make an element; a property that is a function named on… listens, any other is an attribute. */
export function element(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

/** Make an SVG element. */
export function svg(tag, properties = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

function fill(node, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

/** Set an element's text where it differs, so that screen readers hear of changes alone. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** A text whose EUI-64s are parted only where one is wider than its place. */
export function unbroken(text) {
  const whole = (part) => element("span", { class: "whole" }, part);
  return text.split(EUI64).map((part, index) => (index % 2 ? whole(part) : part));
}

/** Make a list of facts: pairs of a name and its value, a text or a node; those without one are left out. */
export function facts(...pairs) {
  const shown = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return element("dl", { class: "facts" }, shown.map(([name, value]) => element("div", {},
    element("dt", {}, name), element("dd", {}, value instanceof Node ? value : unbroken(String(value))))));
}

/** A button; `act` may be asynchronous: it is not pressed twice at once. */
export function button(label, act, properties = {}) {
  const node = element("button", { type: "button", ...properties }, label);
  node.addEventListener("click", async () => {
    if (node.getAttribute("aria-disabled") === "true") return;
    node.setAttribute("aria-disabled", "true");
    try {
      await act();
    } finally {
      node.removeAttribute("aria-disabled");
    }
  });
  return node;
}

/** Children of one parent, one for each item, kept as long as the item is there: focus stays where it is. */
export class Keyed {
  #parent; #keyOf; #make; #parts = new Map();

  /** `make(item)` returns an object with a `node` and a method `update(item)`. */
  constructor(parent, keyOf, make) {
    this.#parent = parent;
    this.#keyOf = keyOf;
    this.#make = make;
  }

  /** Show these items in this order. */
  show(items) {
    const keys = new Set(items.map(this.#keyOf));
    for (const [key, { node }] of this.#parts) {
      if (keys.has(key)) continue;
      if (node.contains(document.activeElement)) document.getElementById("main").focus();
      node.remove();
      this.#parts.delete(key);
    }
    let next = this.#parent.firstChild;
    for (const item of items) {
      const key = this.#keyOf(item);
      let part = this.#parts.get(key);
      if (part === undefined) {
        part = this.#make(item);
        this.#parts.set(key, part);
      }
      part.update(item);
      if (part.node === next) next = next.nextSibling;
      else this.#parent.insertBefore(part.node, next);
    }
  }
}
