-- What a job waits for, and how often it was tried.
ALTER TABLE job ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN upgrade_at REAL;
ALTER TABLE job ADD COLUMN needs_approval INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN allow_downgrade INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN expires_at REAL;
ALTER TABLE job ADD COLUMN approved_at REAL;
ALTER TABLE job ADD COLUMN paused INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN retry_at REAL;
ALTER TABLE job ADD COLUMN abort_told INTEGER NOT NULL DEFAULT 0;

-- The image library: what is known of the contents in `image`, whose data is empty once it is freed.
CREATE TABLE library (
    digest BLOB PRIMARY KEY REFERENCES image (digest),
    kind TEXT NOT NULL,
    manufacturer_code INTEGER NOT NULL,
    image_type INTEGER NOT NULL,
    file_version INTEGER NOT NULL,
    minimum_hardware_version INTEGER,
    maximum_hardware_version INTEGER,
    manufacturer_image_hash BLOB NOT NULL CHECK (length(manufacturer_image_hash) = 32),
    octets INTEGER NOT NULL,
    signature TEXT NOT NULL,
    added REAL NOT NULL,
    retired REAL
) STRICT, WITHOUT ROWID;

-- The largest block that each model is known to take; hardware_version is -1 where it tells none.
CREATE TABLE block_size (
    manufacturer_code INTEGER NOT NULL,
    image_type INTEGER NOT NULL,
    hardware_version INTEGER NOT NULL,
    octets INTEGER NOT NULL CHECK (octets > 0),
    at REAL NOT NULL,
    PRIMARY KEY (manufacturer_code, image_type, hardware_version)
) STRICT, WITHOUT ROWID;
