// What the tests look for in a page; evaluated there.

const visible = (node) => {
  const box = node.getBoundingClientRect();
  return box.width > 1 && box.height > 1 && getComputedStyle(node).visibility !== "hidden";
};
const scope = () => document.querySelector("dialog[open]") ?? document.body;
const all = (selector) => [...scope().querySelectorAll(selector)].filter(visible);
const told = (node) => `${node.tagName.toLowerCase()}.${node.getAttribute("class") ?? ""} ${node.textContent.trim().slice(0, 40)}`;

/** Name of a control as a screen reader says it. */
const nameOf = (node) => (node.getAttribute("aria-label")
  ?? node.getAttribute("aria-labelledby")?.split(" ").map((id) => document.getElementById(id)?.textContent).join(" ")
  ?? ([...(node.labels ?? [])].map((label) => label.textContent).join(" ") || node.textContent)).trim();

const rgba = (colour) => {
  const [r, g, b, a = 1] = colour.match(/[\d.]+/g).map(Number);
  return { r, g, b, a };
};

const luminance = ({ r, g, b }) => {
  const part = (value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
};

const ground = (node) => {
  for (let at = node; at !== null; at = at.parentElement) {
    const colour = rgba(getComputedStyle(at).backgroundColor);
    if (colour.a === 1) return colour;
  }
  return { r: 255, g: 255, b: 255 };
};

/** Every text that is seen, with the contrast it has and the one WCAG 2.2 (1.4.3) asks for. */
function contrasts() {
  const texts = all("*").filter((node) => [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim())
    && !node.matches("option, .unseen, .skip"));
  return texts.map((node) => {
    const style = getComputedStyle(node);
    const colour = rgba(node instanceof SVGElement ? style.fill : style.color);
    const [high, low] = [luminance(colour), luminance(ground(node))].sort((a, b) => b - a);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    return { text: told(node), ratio: (high + 0.05) / (low + 0.05), needed: large ? 3 : 4.5 };
  });
}

/** What is wrong with names, labels, headings and sizes. */
function faults() {
  const found = [];
  for (const node of all("button, a, input, select, meter, progress, [role=img], dialog, section[aria-label]")) {
    if (!nameOf(node)) found.push(`no name: ${told(node)}`);
  }
  for (const node of all("input, select")) {
    if (!node.labels?.length && !node.hasAttribute("aria-label")) found.push(`no label: ${told(node)}`);
  }
  for (const node of all("button, input, select")) {
    const { width, height } = (node.closest("label") ?? node).getBoundingClientRect();
    if (width < 24 || height < 24) found.push(`smaller than 24 px (WCAG 2.5.8): ${told(node)}`);
  }
  const ids = [...document.querySelectorAll("[id]")].map(({ id }) => id);
  if (new Set(ids).size !== ids.length) found.push(`one id twice: ${ids}`);
  for (const node of document.querySelectorAll("[aria-labelledby], [aria-describedby]")) {
    for (const id of `${node.getAttribute("aria-labelledby") ?? ""} ${node.getAttribute("aria-describedby") ?? ""}`.trim().split(/ +/)) {
      if (document.getElementById(id) === null) found.push(`no ${id} for ${told(node)}`);
    }
  }
  const levels = [...document.querySelectorAll("main :is(h1, h2, h3, h4)")].filter(visible)
    .map(({ tagName }) => Number(tagName[1]));
  levels.forEach((level, index) => {
    if (level > (levels[index - 1] ?? 0) + 1) found.push(`h${level} after h${levels[index - 1] ?? 0}`);
  });
  if (document.documentElement.lang !== "en") found.push("no language");
  if (!document.title.includes("hanota")) found.push(`title ${document.title}`);
  for (const role of ["status", "alert"]) {
    if (document.querySelector(`body > [role=${role}]`) === null) found.push(`no live region ${role}`);
  }
  return found;
}

/** What is wider than the page. */
function tooWide() {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) {
    return all("*").filter((node) => node.getBoundingClientRect().right > width).map(told);
  }
  const dialog = document.querySelector("dialog[open]");
  return dialog !== null && dialog.scrollWidth > dialog.clientWidth ? [told(dialog)] : [];
}

function reachable() {
  return all("a[href], button, input, select, summary").filter((node) => node.tabIndex >= 0
    && !(node.type === "radio" && !node.checked)).map(nameOf);
}

/** The focused control, and whether one sees that it is. */
function focus() {
  const node = document.activeElement;
  if (node === document.body || node === null) return ["", true];
  const { outlineStyle, outlineWidth } = getComputedStyle(node);
  return [nameOf(node), outlineStyle !== "none" && parseFloat(outlineWidth) >= 2];
}

function moving() {
  return all("*").filter((node) => {
    const style = getComputedStyle(node);
    return style.animationName !== "none" || style.transitionDuration.split(", ").some((time) => time !== "0s");
  }).map(told);
}
