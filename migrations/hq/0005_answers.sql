-- What was answered under a client's key, so that a request that comes again is done once and answered alike. Written
-- in the transaction that did it, and kept for 90 days.

CREATE TABLE api_answer (
    -- The token's name.
    caller TEXT NOT NULL,
    key TEXT NOT NULL,
    -- Of method, path and body.
    fingerprint BLOB NOT NULL,
    -- JSON.
    body TEXT NOT NULL,
    answered_ms BIGINT NOT NULL,
    PRIMARY KEY (caller, key)
);

CREATE INDEX api_answer_by_age ON api_answer (answered_ms);
