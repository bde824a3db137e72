// What an event says, in one line.

import { count, duration, hex, rate, short, when } from "./format.js";

const SHOWN_ATTRIBUTES = [
  "image_upgrade_status", "file_offset", "current_file_version", "downloaded_file_version",
];

const because = (event) => (event.reason ? `: ${event.reason}` : "");
const version = (event) => (event.firmware_version ? `, firmware version ${event.firmware_version}` : "");
const outcome = (event) => `${event.outcome}${version(event)}`;
const gbcs = (event) => `${event.use_case} ${event.message}, ${event.octets} octets`;
const ownFile = (event) => `${event.manufacturer}/${event.image_type}/${event.file_version}`;
const at = (event) => (typeof event.rate === "number" ? `, ${rate(event.rate)}` : "");

const WORDS = {
  "radio.state": (event) => `Coordinator ${event.state}${because(event)}`,
  "radio.frame_refused": (event) => `Frame on cluster ${hex(event.cluster)} refused${because(event)}`,
  "device_log.added": (event) => `${event.device_type} added to the Device Log`,
  "device_log.removed": () => "Removed from the Device Log",
  "han.join_permitted": (event) => `May join for ${duration(event.seconds)} with its install code`,
  "han.join_not_permitted": (event) => `May not join${because(event)}`,
  "han.joined": () => "Joined the HAN",
  "han.left": () => "Left the HAN",
  "key_establishment.established": (event) => `Key establishment, suite ${event.suite}`,
  "key_establishment.failed": (event) => `Key establishment failed${because(event)}`,
  "key_establishment.link_key_lost": (event) => `Link key lost${because(event)}`,
  "service_request.received": (event) => `Service Request ${event.service_reference} ${event.name}`
    + (event.octets === undefined ? "" : `, image of ${count(event.octets)} octets`),
  "service_request.acknowledged": (event) => `${event.response_code} ${event.meaning}`,
  "service_request.rejected": (event) => `Service Request rejected${because(event)}`,
  "service_request.pre_command": (event) => `Pre-Command ${event.use_case}, to be signed`,
  "service_request.signed_pre_command": (event) => `Signed Pre-Command ${event.use_case}`,
  "service_request.response": (event) => `Response to ${event.service_reference}: ${outcome(event)}`,
  "service_request.device_alert": (event) => `Device alert ${event.alert_code}: ${outcome(event)}`,
  "service_request.dcc_alert": (event) => `DCC alert ${event.alert}: ${outcome(event)}`,
  "outbox.delivered": (event) => `Document ${event.document} taken by ${event.service_user}`,
  "outbox.given_up": (event) => `A document for ${event.service_user} is given up${because(event)}`,
  "inventory.device_status": (event) => `${event.device_type} is ${event.status} in the inventory`,
  "products_list.listed": (event) => `Listed: ${event.device_type} ${event.firmware_version}`,
  "products_list.withdrawn": (event) => `Withdrawn: ${event.device_type} ${event.firmware_version}`,
  "products_list.removed": (event) => `Removed from the list: ${event.device_type} ${event.firmware_version}`,
  "daemon.started": (event) => `hanota ${event.version} started`,
  "daemon.stopping": () => "hanota is stopping",
  "store.pruned": () => "Old rows pruned from the database",
  "job.state": (event) => `Job ${event.job} is ${spoken(event.state)}: ${event.cause}`,
  "job.approved": (event) => `Job ${event.job} is approved`,
  "job.paused": (event) => `Job ${event.job} is paused${because(event)}`,
  "job.resumed": (event) => `Job ${event.job} goes on`,
  "image.added": (event) => `Image ${short(event.digest)} added, ${count(event.octets)} octets`,
  "image.retired": (event) => `Image ${short(event.digest)} retired`,
  "ota.image_notify": () => "Image Notify",
  "ota.query_next_image": (event) => `Query Next Image Request, running ${event.current_version}`,
  "ota.progress": (event) => `Image Blocks, ${count(event.octets)} of ${count(event.total)}${at(event)}`,
  "ota.stalled": (event) => `No Image Block Request any more, at octet ${count(event.octets)}`,
  "ota.wait_for_data": (event) => `Image Block Response WAIT_FOR_DATA, ${event.seconds} s${because(event)}`,
  "ota.last_block_held": (event) => `Last block held${because(event)}`,
  "ota.abort_delivered": () => "ABORT delivered",
  "ota.block_size_learnt": (event) => `Blocks of ${event.octets} octets from now on`,
  "ota.client_attributes": (event) => `Client attributes: ${SHOWN_ATTRIBUTES
    .filter((name) => name in event).map((name) => `${spoken(name)} ${event[name]}`).join(", ")}`,
  "ota.query_device_specific_file": (event) => `Asks for its own file ${ownFile(event)}`,
  "ota.device_specific_file_ended": (event) => `Its own file ${ownFile(event)}: ${event.status}`,
  "ota.upgrade_end_request": (event) => `Upgrade End Request ${event.status}${at(event)}`,
  "ota.upgrade_end_response": (event) => `Upgrade End Response: ${event.meaning}`,
  "ota.refused": (event) => `Refused${because(event)}`,
  "tunnel.opened": (event) => `Tunnel ${event.tunnel} open`,
  "tunnel.closed": (event) => `Tunnel ${event.tunnel} closed`,
  "tunnel.failed": (event) => `Tunnel${because(event)}`,
  "gbcs.sent": (event) => gbcs(event),
  "gbcs.delivered": (event) => `${event.use_case} command acknowledged`,
  "gbcs.received": (event) => gbcs(event),
  "gbcs.refused": (event) => `GBCS message refused${because(event)}`,
};

/** Say what an event is; one of a kind that is not known here by the kind itself. */
export function describe(event) {
  const words = WORDS[event.kind];
  return words === undefined ? event.kind : words(event);
}

/** `from → to`, or one name where somebody notes something for himself. */
export function parties(event) {
  return event.from === event.to ? event.from : `${event.from} → ${event.to}`;
}

/** A state such as invalid_image as people say it. */
export function spoken(state) {
  return state.replaceAll("_", " ");
}

/** The kinds that somebody has to know of. */
export const ALERTS = ["service_request.dcc_alert", "service_request.device_alert"];
export const FAULTS = [
  "service_request.rejected", "gbcs.refused", "ota.refused", "ota.stalled", "radio.frame_refused",
  "han.join_not_permitted", "key_establishment.failed", "key_establishment.link_key_lost", "tunnel.failed",
  "outbox.given_up",
];

/** What a badge beside an event says: colour alone would say nothing to some. */
export function badge(event) {
  if (ALERTS.includes(event.kind)) return "alert";
  return FAULTS.includes(event.kind) ? "fault" : null;
}

/** One event in words, with its time: the name of a control that opens it. */
export function fullWords(event) {
  return `${when(event.at)}, ${parties(event)}: ${describe(event)}`;
}
