// The first octets of an OTA Upgrade Image: enough to propose for which devices it is.

const FILE_IDENTIFIER = 0x0BEEF11E;
const HEADER = 18;
const KINDS = new Map([[0x0084, "PPMID"], [0x000D, "HCALCS"]]);

/** Return { kind, version } of a file, null where it does not begin as an OTA image; kind may be null. */
export async function readHeader(file) {
  const view = new DataView(await file.slice(0, HEADER).arrayBuffer());
  if (view.byteLength < HEADER || view.getUint32(0, true) !== FILE_IDENTIFIER) return null;
  return {
    kind: KINDS.get(view.getUint16(12, true)) ?? null,
    version: view.getUint32(14, true).toString(16).toUpperCase().padStart(8, "0"),
  };
}
