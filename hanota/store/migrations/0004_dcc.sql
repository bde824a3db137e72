-- What the DCC keeps: requests and their answers, Pre-Commands, commands under way, documents to deliver.

-- handled_request takes its place: it tells what the answer was. Counters only rise, so nothing old comes again.
DROP TABLE service_request;

-- `answer` is the signed document the request was answered with, and is given again when it is repeated.
CREATE TABLE handled_request (
    originator BLOB NOT NULL CHECK (length(originator) = 8),
    counter INTEGER NOT NULL CHECK (counter >= 0),
    target BLOB NOT NULL CHECK (length(target) = 8),
    service_reference TEXT NOT NULL,
    command_variant INTEGER NOT NULL,
    signer BLOB CHECK (length(signer) = 8),
    digest BLOB NOT NULL CHECK (length(digest) = 32),
    at REAL NOT NULL,
    answer BLOB NOT NULL,
    PRIMARY KEY (originator, counter, target, service_reference, command_variant)
) STRICT, WITHOUT ROWID;

-- `digest` is the SHA-256 of what is to be signed.
CREATE TABLE pre_command (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
    request_id TEXT NOT NULL,
    at REAL NOT NULL
) STRICT;

CREATE TABLE command (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    request_id TEXT NOT NULL,
    service_reference TEXT NOT NULL,
    octets BLOB NOT NULL,
    state TEXT NOT NULL,
    expires_at REAL NOT NULL
) STRICT;

CREATE TABLE outgoing (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    service_user BLOB NOT NULL CHECK (length(service_user) = 8),
    document BLOB NOT NULL,
    created REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_attempt REAL NOT NULL
) STRICT;

CREATE INDEX outgoing_of_user ON outgoing (service_user, seq);
