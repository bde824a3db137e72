// What the dashboard knows of the bench. Events say what has changed; REST says what it is now.

import { ApiError, get } from "./api.js";

/** Ended jobs that are kept, besides the pages that somebody asks for. */
const JOBS = 200;
const FIRST_JOBS = 50;
const RATES = 600;
/** Changes come in bursts: one question for all of a burst. */
const BURST = 150;
/** The journal has the progress of a transfer each 10 s only, too seldom for a plot. */
const PROGRESS_INTERVAL = 1000;

const CHANGES_DEVICES = new Set([
  "device_log", "han", "inventory", "key_establishment", "radio", "daemon", "gbcs", "service_request",
]);
/** Subsystems that may change the time of a job's activation and leave its state as it is. */
const COMMANDS = new Set(["service_request", "gbcs"]);

/** Fires `change` when something of it has changed, and `journal` with each event. */
export class Bench extends EventTarget {
  hub = null;
  devices = [];
  images = [];
  jobs = new Map();
  /** Samples { at, rate } of each transfer, oldest first. */
  rates = new Map();
  connected = false;
  #before = null; #room = JOBS;
  #stale = new Set(); #staleJobs = new Set(); #burst = null; #refreshing = false; #poll = null;
  /** How much the daemon's clock is ahead of the browser's, in milliseconds. */
  #ahead = 0;

  /** Whether who looks may do what `role` may. */
  may(role) {
    const order = ["observer", "operator", "activator"];
    return this.hub !== null && order.indexOf(this.hub.role) >= order.indexOf(role);
  }

  device(eui64) {
    return this.devices.find((device) => device.device === eui64);
  }

  /** The job of a device that has not ended. */
  openJob(eui64) {
    return [...this.jobs.values()].find((job) => job.device === eui64 && !job.ended);
  }

  image(digest) {
    return this.images.find((image) => image.digest === digest);
  }

  /** Read everything anew. The hub first: later events than its number are told by the stream. */
  async load() {
    await this.#loadHub();
    const [devices, images, jobs, open] = await Promise.all([
      get("/devices"), get("/images"), get("/jobs", { limit: FIRST_JOBS }), get("/jobs", { open: true }),
    ]);
    this.devices = devices.devices;
    this.images = images.images;
    this.jobs = new Map([...open.jobs, ...jobs.jobs].map((job) => [job.id, job]));
    this.#before = jobs.next;
    this.#room = JOBS;
    this.#changed();
    this.#watchTransfers();
  }

  /** Whether there are jobs that `loadOlderJobs` would read. */
  get moreJobs() { return this.#before !== null; }

  /** Read some of the jobs that are older than those read so far. */
  async loadOlderJobs() {
    const { jobs, next } = await get("/jobs", { limit: FIRST_JOBS, before: this.#before });
    for (const job of jobs) this.jobs.set(job.id, job);
    this.#before = next;
    this.#room += FIRST_JOBS;
    this.#changed();
  }

  /** Take what an operation has answered; the event of it follows. */
  takeJob(job) {
    this.jobs.set(job.id, { ...job, progress: job.progress ?? this.jobs.get(job.id)?.progress ?? null });
    this.#changed();
    this.#watchTransfers();
  }

  takeImage(image) {
    this.images = [...this.images.filter((each) => each.digest !== image.digest), image]
      .filter((each) => each.retired === null);
    this.#changed();
  }

  /** Take an event of the stream. */
  takeEvent(event) {
    const subsystem = event.kind.split(".")[0];
    if (event.kind === "ota.progress") this.#takeProgress(event, Date.parse(event.at));
    else if (event.job !== null) this.#staleJobs.add(event.job);
    else if (COMMANDS.has(subsystem)) {
      const job = this.openJob(event.device);
      if (job !== undefined) this.#staleJobs.add(job.id);
    }
    if (CHANGES_DEVICES.has(subsystem)) this.#stale.add("devices");
    if (subsystem === "image") this.#stale.add("images");
    this.#refreshSoon();
    this.dispatchEvent(new CustomEvent("journal", { detail: event }));
  }

  /** Take samples of a transfer from earlier events. */
  takeHistory(job, events) {
    const known = this.rates.get(job) ?? [];
    const first = known[0]?.at ?? Infinity;
    const earlier = events.filter((event) => event.kind === "ota.progress" && event.rate !== null)
      .map((event) => ({ at: Date.parse(event.at), rate: event.rate })).filter(({ at }) => at < first);
    this.rates.set(job, thinned([...earlier, ...known]));
    this.#changed();
  }

  /** Stop asking. */
  close() {
    clearTimeout(this.#burst);
    clearTimeout(this.#poll);
    this.#poll = -1;
  }

  async #loadHub() {
    this.hub = await get("/hub");
    this.#ahead = Date.parse(this.hub.now) - Date.now();
  }

  #takeProgress(progress, at) {
    const job = this.jobs.get(progress.job);
    if (job === undefined || job.ended) return;
    job.progress = progress;
    const rates = this.rates.get(job.id) ?? [];
    // Events have the daemon's time, other samples one that is guessed: a plot goes forward alone.
    if (progress.rate !== null && at > (rates.at(-1)?.at ?? 0)) {
      this.rates.set(job.id, thinned([...rates, { at, rate: progress.rate }]));
    }
    const device = this.device(job.device);
    if (device !== undefined) {
      device.lqi = progress.lqi ?? device.lqi;
      device.rssi = progress.rssi ?? device.rssi;
    }
  }

  #refreshSoon() {
    this.#burst ??= setTimeout(async () => {
      this.#burst = null;
      if (this.#refreshing) return;
      this.#refreshing = true;
      try {
        await this.#refresh();
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;  // the stream tells of a lost connection
      } finally {
        this.#refreshing = false;
      }
      if (this.#stale.size || this.#staleJobs.size) this.#refreshSoon();
    }, BURST);
  }

  async #refresh() {
    const jobs = [...this.#staleJobs];
    const stale = new Set(this.#stale);
    this.#staleJobs.clear();
    this.#stale.clear();
    await Promise.all([
      ...jobs.map(async (id) => {
        const job = await get(`/jobs/${id}`);
        this.jobs.set(id, job);
      }),
      stale.has("devices") ? get("/devices").then(({ devices }) => { this.devices = devices; }) : null,
      stale.has("devices") ? this.#loadHub() : null,
      stale.has("images") ? get("/images").then(({ images }) => { this.images = images; }) : null,
    ]);
    this.#forgetJobs();
    this.#changed();
    this.#watchTransfers();
  }

  #forgetJobs() {
    const ended = [...this.jobs.values()].filter((job) => job.ended).sort((a, b) => a.id - b.id);
    for (const job of ended.slice(0, Math.max(0, ended.length - this.#room))) {
      this.jobs.delete(job.id);
      this.rates.delete(job.id);
      this.#before = Math.max(this.#before ?? 0, job.id + 1);
    }
  }

  #watchTransfers() {
    const underWay = [...this.jobs.values()].some((job) => job.state === "transferring");
    if (underWay) this.#poll ??= setTimeout(() => this.#askProgress(), PROGRESS_INTERVAL);
  }

  async #askProgress() {
    try {
      if (this.connected && !document.hidden) {
        const { transfers } = await get("/progress");
        for (const progress of transfers) this.#takeProgress(progress, Date.now() + this.#ahead);
        this.#changed();
      }
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
    }
    if (this.#poll === -1) return;
    this.#poll = null;
    this.#watchTransfers();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}

/** At most as many samples as a plot has room for: every second one goes. */
function thinned(samples) {
  return samples.length > RATES ? samples.filter((_, index) => index % 2 === 0) : samples;
}
