-- Movements of stock that count, by the identity that their client gave them. Made of the ledger like all figures, and
-- with them.

CREATE TABLE movement (
    -- 8 bytes.
    id BLOB NOT NULL PRIMARY KEY,
    -- The record that it is: whose, and its number there.
    origin BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    -- Of everything that its client decided, so that a repeat is known from another movement.
    digest BLOB NOT NULL
);
