// How far an update is: its state, the bar, rate, time left, and the plot.

import { element, say } from "./dom.js";
import { count, dateTime, duration, rate } from "./format.js";
import { RatePlot } from "./rate_plot.js";
import { spoken } from "./words.js";

/** The state of a job in words. */
export function stateOf(job) {
  const words = [spoken(job.state)];
  if (job.paused && !job.ended) words.push("paused");
  if (job.waits_for_approval) words.push("waits for approval");
  return words.join(", ");
}

export class Transfer {
  #state; #bar; #figures; #plot; #bench;

  constructor(bench, job) {
    this.#bench = bench;
    this.#state = element("p", { class: "state" });
    this.#bar = element("progress", { max: 100, "aria-label": `Download of job ${job.id}` });
    this.#figures = element("p", { class: "figures" });
    this.#plot = new RatePlot();
    this.node = element("div", { class: "transfer" }, this.#state, this.#bar, this.#figures, this.#plot.node);
  }

  update(job) {
    say(this.#state, job.reason ? `${stateOf(job)}: ${job.reason}` : stateOf(job));
    this.#state.dataset.state = job.state;
    const { progress } = job;
    const underWay = progress !== null && !job.ended && job.state === "transferring";
    this.#bar.hidden = !underWay;
    this.#figures.hidden = !underWay;
    if (underWay) {
      this.#bar.value = progress.percentage;
      say(this.#figures, [
        `${Math.floor(progress.percentage)} %`,
        `${count(progress.octets)} of ${count(progress.total)} octets`,
        // Of one that is paused the rate would only fall, and the time left rise.
        job.paused ? null : rate(progress.rate),
        job.paused || progress.seconds_left === null ? null : `${duration(progress.seconds_left)} left`,
        progress.repeats ? `${progress.repeats} blocks repeated` : null,
      ].filter((words) => words !== null).join(" · "));
    } else if (job.execution_at !== null) {
      this.#figures.hidden = false;
      say(this.#figures, `Activates at ${dateTime(job.execution_at)}`);
    } else if (job.retry_at !== null && job.state === "accepted") {
      this.#figures.hidden = false;
      say(this.#figures, `Tried again at ${dateTime(job.retry_at)}`);
    }
    this.#plot.update(this.#bench.rates.get(job.id) ?? []);
  }
}
