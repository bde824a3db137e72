// zigbee-herdsman on a dongle: forms a network, lets one device join and reads from it, then starts again.
//
// node herdsman.mjs ADAPTER tcp://HOST:PORT DATA_FOLDER, in a folder where zigbee-herdsman is installed.
// What happens is told in JSON, one object a line.
import { createRequire } from "node:module";
import path from "node:path";

const { Controller, setLogger } = createRequire(path.resolve("package.json"))("zigbee-herdsman");
const JOIN_SECONDS = 30;

const [adapter, dongle, folder] = process.argv.slice(2);

function tell(event, details = {}) {
    console.log(JSON.stringify({ event, ...details }));
}

function log(level) {
    return (message, namespace) => console.error(level, namespace, typeof message === "function" ? message() : message);
}

function controller() {
    return new Controller({
        network: {
            panID: 0x1a62,
            extendedPanID: [1, 2, 3, 4, 5, 6, 7, 8],
            channelList: [15],
            networkKey: [1, 3, 5, 7, 9, 11, 13, 15, 0, 2, 4, 6, 8, 10, 12, 13],
        },
        transport: { path: dongle, adapter },
        databasePath: path.join(folder, "database.db"),
        databaseBackupPath: path.join(folder, "database.db.backup"),
        backupPath: path.join(folder, "coordinator_backup.json"),
        adapter: {},
        acceptJoiningDeviceHandler: async () => true,
    });
}

function interviewed(host) {
    return new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error("no device joined")), JOIN_SECONDS * 1000);
        host.on("deviceInterview", ({ status, device }) => {
            if (status !== "started") {
                clearTimeout(timer);
                resolve({ status, device });
            }
        });
    });
}

async function read(event, device) {
    const values = await device.getEndpoint(1).read("genBasic", ["manufacturerName", "modelId"]);
    tell(event, values);
}

async function form() {
    const host = controller();
    tell("started", { result: await host.start(), version: await host.getCoordinatorVersion() });
    tell("network", await host.getNetworkParameters());
    const interview = interviewed(host);
    await host.permitJoin(JOIN_SECONDS);
    const { status, device } = await interview;
    tell("interviewed", {
        status,
        ieee: device.ieeeAddr,
        endpoints: device.endpoints.map(({ ID, profileID }) => ({ ID, profileID })),
    });
    await host.permitJoin(0);
    await read("read", device);
    await host.stop();
    return device.ieeeAddr;
}

async function resume(ieee) {
    const host = controller();
    tell("started again", { result: await host.start() });
    await read("read again", host.getDeviceByIeeeAddr(ieee));
    await host.stop();
}

setLogger({ debug: () => {}, info: log("info"), warning: log("warning"), error: log("error") });
try {
    await resume(await form());
} catch (error) {
    console.error(error);
    process.exit(1);
}
process.exit(0);
