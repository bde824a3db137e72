-- EUI-64s are BLOBs of 8 octets, most significant first (read them with hex()); times are Unix seconds.

CREATE TABLE device (
    device BLOB PRIMARY KEY CHECK (length(device) = 8),
    device_type INTEGER NOT NULL,
    install_code BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE service_request (
    request_id TEXT NOT NULL,
    service_reference TEXT NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (request_id, service_reference)
) STRICT, WITHOUT ROWID;

CREATE TABLE image (
    digest BLOB PRIMARY KEY CHECK (length(digest) = 32),
    data BLOB NOT NULL
) STRICT;

CREATE TABLE job (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    request_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    device BLOB NOT NULL CHECK (length(device) = 8),
    image BLOB NOT NULL REFERENCES image (digest),
    firmware_version BLOB NOT NULL,
    manufacturer_image_hash BLOB NOT NULL,
    state TEXT NOT NULL,
    created REAL NOT NULL,
    updated REAL NOT NULL,
    reason TEXT NOT NULL
) STRICT;

CREATE INDEX job_of_device ON job (device);

CREATE TABLE counter (
    name TEXT NOT NULL,
    party BLOB NOT NULL CHECK (length(party) = 8),
    value INTEGER NOT NULL CHECK (value > 0),
    PRIMARY KEY (name, party)
) STRICT, WITHOUT ROWID;

-- AUTOINCREMENT: a seq is never given twice, even if the newest events are deleted.
CREATE TABLE event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    kind TEXT NOT NULL,
    source TEXT NOT NULL,
    target TEXT NOT NULL,
    device BLOB CHECK (length(device) = 8),
    job INTEGER REFERENCES job (id),
    detail TEXT NOT NULL CHECK (json_valid(detail))
) STRICT;
