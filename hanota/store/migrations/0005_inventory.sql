-- The Smart Metering Inventory; NULL and the empty model: not known.
CREATE TABLE inventory (
    device BLOB PRIMARY KEY CHECK (length(device) = 8),
    device_type TEXT NOT NULL,
    status TEXT NOT NULL,
    manufacturer_code INTEGER,
    model TEXT NOT NULL,
    hardware_version INTEGER,
    firmware_version TEXT,
    gbcs_version TEXT,
    smets_chts_version TEXT,
    import_mpxn TEXT,
    commissioned REAL
) STRICT, WITHOUT ROWID;

-- The Central Products List; manufacturer_code and image_type -1, an empty model and NULL: any.
CREATE TABLE product (
    device_type TEXT NOT NULL,
    manufacturer_code INTEGER NOT NULL,
    image_type INTEGER NOT NULL,
    model TEXT NOT NULL,
    firmware_version TEXT NOT NULL,
    manufacturer_image_hash BLOB NOT NULL CHECK (length(manufacturer_image_hash) = 32),
    minimum_hardware_version INTEGER,
    maximum_hardware_version INTEGER,
    gbcs_version TEXT,
    status TEXT NOT NULL,
    PRIMARY KEY (device_type, manufacturer_code, image_type, model, firmware_version)
) STRICT, WITHOUT ROWID;
