// The rate of a transfer over time, as a line; its words say the same to who cannot see it.

import { say, svg } from "./dom.js";
import { count, duration } from "./format.js";

const WIDTH = 320;
const HEIGHT = 80;
const FOOT = 14;
const TOP = 14;

export class RatePlot {
  #line; #highest; #span;

  constructor() {
    this.#line = svg("polyline", { class: "line", points: "" });
    this.#highest = svg("text", { x: 0, y: TOP - 4 });
    this.#span = svg("text", { x: WIDTH, y: HEIGHT - 2, "text-anchor": "end" });
    const foot = HEIGHT - FOOT;
    this.node = svg("svg", { class: "plot", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", hidden: true },
      svg("path", { class: "axis", d: `M0 ${TOP}V${foot}H${WIDTH}` }), this.#line, this.#highest, this.#span);
  }

  /** Show samples { at (milliseconds), rate (octets a second) }, oldest first. */
  update(samples) {
    this.node.toggleAttribute("hidden", samples.length < 2);
    if (samples.length < 2) return;
    const first = samples[0].at;
    const span = Math.max(1, samples.at(-1).at - first);
    const highest = Math.max(1, ...samples.map(({ rate }) => rate));
    const height = HEIGHT - FOOT - TOP;
    const points = samples.map(({ at, rate }) => [
      (at - first) / span * WIDTH, TOP + height * (1 - rate / highest),
    ].map((place) => place.toFixed(1)).join());
    this.#line.setAttribute("points", points.join(" "));
    say(this.#highest, `${count(Math.round(highest))} octets/s`);
    say(this.#span, duration(span / 1000));
    this.node.setAttribute("aria-label", `Rate in the last ${duration(span / 1000)}: at most `
      + `${count(Math.round(highest))}, now ${count(Math.round(samples.at(-1).rate))} octets a second`);
  }
}
