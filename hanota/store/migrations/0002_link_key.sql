-- What is remembered of a link key made by key establishment. The key itself is in the coordinator alone.
CREATE TABLE link_key (
    device BLOB PRIMARY KEY REFERENCES device (device) ON DELETE CASCADE,
    coordinator BLOB NOT NULL CHECK (length(coordinator) = 8),
    suite INTEGER NOT NULL CHECK (suite IN (1, 2)),
    fingerprint BLOB NOT NULL CHECK (length(fingerprint) = 16),
    at REAL NOT NULL
) STRICT, WITHOUT ROWID;
