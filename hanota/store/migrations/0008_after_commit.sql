-- What is left to do outside of the database once it is committed, so that a process killed in between goes on.

-- Until when a device of the Device Log may join, and for how long it was let; no row: it has joined, or may not
-- any more.
CREATE TABLE join_window (
    device BLOB PRIMARY KEY REFERENCES device (device) ON DELETE CASCADE,
    until REAL NOT NULL,
    seconds REAL NOT NULL
) STRICT, WITHOUT ROWID;

-- Devices that were removed from the Device Log, and when, until they are heard to leave.
CREATE TABLE leaving (
    device BLOB PRIMARY KEY CHECK (length(device) = 8),
    at REAL NOT NULL
) STRICT, WITHOUT ROWID;

-- Device specific files (ZCL OTA Upgrade, Query Device Specific File), each for one device of the Device Log.
CREATE TABLE device_file (
    device BLOB NOT NULL REFERENCES device (device) ON DELETE CASCADE,
    manufacturer_code INTEGER NOT NULL,
    image_type INTEGER NOT NULL,
    file_version INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (device, manufacturer_code, image_type, file_version)
) STRICT;
