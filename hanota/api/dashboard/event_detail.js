// One event in full; a GBCS message is decoded by the daemon.

import { post } from "./api.js";
import { openDialog } from "./dialogs.js";
import { element, facts, say } from "./dom.js";
import { dateTime, hex } from "./format.js";
import { describe, parties, spoken } from "./words.js";

const SHOWN_ABOVE = ["kind", "at", "from", "to", "message_octets"];
const DECODED = ["use_case", "message", "originator", "originator_counter", "payload"];
/** Numbers that everybody knows in hexadecimal. */
const CODES = ["alertCode"];

/** Open an event. */
export function openEvent(event) {
  const elsewhere = event.message_octets ? [...SHOWN_ABOVE, ...DECODED] : SHOWN_ABOVE;
  const decoded = event.message_octets ? element("section", { "aria-live": "polite" }) : null;
  openDialog({
    title: describe(event),
    wide: true,
    content: [
      facts(["When", dateTime(event.at)], ["Who", parties(event)], ["Kind", event.kind],
        ...Object.entries(event).filter(([name]) => !elsewhere.includes(name))
          .map(([name, value]) => [spoken(name), shown(value)])),
      decoded,
    ],
  });
  if (decoded !== null) decode(event.message_octets, decoded);
}

async function decode(octets, place) {
  say(place, "Decoding…");
  const raw = element("details", {}, element("summary", {}, `Octets (${octets.length / 2})`),
    element("pre", { tabindex: "0" }, octets));
  try {
    const message = await post("/gbcs/decode", { octets });
    place.replaceChildren(
      element("h3", {}, `GBCS ${message.use_case}${message.title ? `, ${message.title}` : ""}`),
      facts(
        ["Message", message.cra],
        ["Message code", message.message_code],
        ["Originator", message.originator],
        ["Recipient", message.recipient],
        ["Originator Counter", message.originator_counter],
        ["Signature", message.signed ? "there is one" : "none"],
        ["MAC", message.has_mac ? "there is one" : "none"],
        ["Payload", shown(message.payload)],
      ), raw);
  } catch (error) {
    if (error.words === undefined) throw error;
    place.replaceChildren(element("p", { class: "problem" }, error.words), raw);
  }
}

/** A value as a text, or as a list within the list. */
function shown(value) {
  if (value === null || value === undefined || value === "") return null;
  if (Array.isArray(value)) {
    if (value.length === 0) return null;
    return element("ol", {}, value.map((each) => element("li", {}, shown(each) ?? "none")));
  }
  if (typeof value === "object") {
    return facts(...Object.entries(value)
      .map(([name, each]) => [name, CODES.includes(name) ? hex(each) : shown(each)]));
  }
  const text = String(value);
  return text.length > 24 && !text.includes(" ") ? element("code", {}, text) : text;
}
