// The journal as it grows. A lost connection is taken up again at the event after the last one seen.

import { ApiError, ask, get } from "./api.js";
import { blocks } from "./sse.js";

// The daemon sends a heartbeat after 15 s without an event; three of them missed is a dead connection.
const SILENCE = 45_000;
const FIRST_WAIT = 1000;
const LONGEST_WAIT = 15_000;

/**
 * Follows the events and tells of them by `tell.event(event)`, of the connection by `tell.state(name, detail)`,
 * of a journal begun anew by `tell.anew()`, and by `tell.refused(error)` that the token is good no more.
 */
export class Live {
  #tell; #last; #stop = new AbortController(); #wake = () => undefined;

  constructor(after, tell) {
    this.#last = after;
    this.#tell = tell;
  }

  /** The number of the last event seen. */
  get last() { return this.#last; }

  /** End it. */
  stop() {
    this.#stop.abort();
    this.#wake();
  }

  /** Follow until `stop`. */
  async run() {
    window.addEventListener("online", () => this.#wake(), { signal: this.#stop.signal });
    let wait = FIRST_WAIT;
    let lost = null;
    while (!this.#stop.signal.aborted) {
      try {
        if (lost !== null) await this.#checkJournal();
        await this.#follow(() => {
          this.#tell.state("live", lost === null ? null : { after: lost });
          lost = null;
          wait = FIRST_WAIT;
        });
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        if (error instanceof ApiError && (error.status === 401 || error.status === 403)) {
          this.#tell.refused(error);
          return;
        }
      }
      if (this.#stop.signal.aborted) return;
      lost ??= this.#last;
      this.#tell.state("lost", { after: lost, seconds: wait / 1000 });
      await this.#pause(wait);
      wait = Math.min(2 * wait, LONGEST_WAIT);
    }
  }

  /** A daemon that came back with another database numbers its events anew. */
  async #checkJournal() {
    const hub = await get("/hub");
    if (hub.last_event < this.#last) {
      this.#last = hub.last_event;
      this.#tell.anew();
    }
  }

  async #follow(begun) {
    const attempt = new AbortController();
    const abort = () => attempt.abort();
    this.#stop.signal.addEventListener("abort", abort, { once: true });
    let timer = setTimeout(abort, SILENCE);
    try {
      const response = await ask(`/events/stream?after=${this.#last}`, { signal: attempt.signal });
      begun();
      for await (const { id, data } of blocks(response.body)) {
        clearTimeout(timer);
        timer = setTimeout(abort, SILENCE);
        if (id !== null && id > this.#last) {
          this.#last = id;
          if (data !== null) this.#hear(JSON.parse(data));
        }
      }
    } finally {
      clearTimeout(timer);
      this.#stop.signal.removeEventListener("abort", abort);
      abort();
    }
  }

  /** A fault of the page is not one of the connection. */
  #hear(event) {
    try {
      this.#tell.event(event);
    } catch (error) {
      reportError(error);
    }
  }

  #pause(milliseconds) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#wake = () => { clearTimeout(timer); resolve(); };
    });
  }
}
