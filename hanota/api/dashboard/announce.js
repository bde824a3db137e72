// What is told to everybody: shown at the foot of the page, and spoken by screen readers.

import { say } from "./dom.js";

const SHOWN = 8000;
const timers = new Map();

/** Tell of something that happened. */
export function notice(text) {
  tell("notice", text);
}

/** Tell of something that went wrong; an ApiError says what to do too. */
export function fault(error) {
  tell("fault", typeof error === "string" ? error : error.words ?? String(error));
}

function tell(id, text) {
  const place = document.getElementById(id);
  say(place, text);
  clearTimeout(timers.get(id));
  timers.set(id, setTimeout(() => say(place, ""), SHOWN));
}

/** Have `act` done; what the daemon says against it is told, and undefined returned. */
export async function attempt(act) {
  try {
    return await act();
  } catch (error) {
    if (error.words === undefined) throw error;
    fault(error);
    return undefined;
  }
}
