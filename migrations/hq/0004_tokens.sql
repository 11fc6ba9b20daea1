-- Who may call headquarters' API. A token itself is nowhere; only its SHA-256 is, and it is 256 random bits, so that
-- nothing can be guessed from that.

CREATE TABLE api_token (
    hash BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    -- read or operate.
    role TEXT NOT NULL,
    issued_ms BIGINT NOT NULL,
    -- 0 while it is good.
    revoked_ms BIGINT NOT NULL
);
