// Figures as people read them.

/** Octets with thousands parted: 65,596. */
export function count(number) {
  return number.toLocaleString("en-GB");
}

export function rate(octetsPerSecond) {
  return octetsPerSecond === null ? "rate not known yet" : `${count(Math.round(octetsPerSecond))} octets/s`;
}

/** Seconds as 45 s, 3 min 20 s or 2 h 5 min. */
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** The time of day, to the millisecond, in the browser's zone. */
export function clockTime(iso) {
  return new Date(iso).toLocaleTimeString("en-GB", {
    hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3,
  });
}

/** The time of day of something of today, with its date before it of anything else. */
export function when(iso) {
  const date = new Date(iso);
  if (date.toDateString() === new Date().toDateString()) return clockTime(iso);
  return `${date.toLocaleDateString("en-GB", { day: "numeric", month: "short" })} ${clockTime(iso)}`;
}

/** Date and time, in the browser's zone. */
export function dateTime(iso) {
  return new Date(iso).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" });
}

/** What a <input type="datetime-local"> says, in ISO 8601 with a zone; null where it is empty. */
export function instant(local) {
  return local === "" ? null : new Date(local).toISOString();
}

/** The first digits of a hash. */
export function short(hash) {
  return hash.length > 16 ? `${hash.slice(0, 16)}…` : hash;
}

export function hex(number, digits = 4) {
  return `0x${number.toString(16).toUpperCase().padStart(digits, "0")}`;
}
