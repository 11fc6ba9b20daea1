-- A store's node is the parent of its kiosks' nodes: what they have sent, as they sealed it, until headquarters has it.

-- One life of a kiosk's journal.
CREATE TABLE relay_origin (
    ix              INTEGER PRIMARY KEY,
    node            TEXT NOT NULL,
    counter         INTEGER NOT NULL,
    random          INTEGER NOT NULL, -- 64 bits, stored as signed
    public_key      BLOB NOT NULL,
    acked_seq       INTEGER NOT NULL, -- what is committed here
    acked_hash      BLOB NOT NULL,
    earliest_seq    INTEGER NOT NULL, -- the first record that is kept here; what is before is at headquarters
    before_earliest BLOB NOT NULL,    -- the chain's hash before it
    top_seq         INTEGER NOT NULL, -- what headquarters has committed
    top_hash        BLOB NOT NULL,
    common_seq      INTEGER,          -- not null: headquarters knows another branch; up to here both are the same
    set_back        INTEGER NOT NULL DEFAULT 0, -- whether headquarters says that the kiosk's disk was set back
    session         INTEGER NOT NULL DEFAULT 0, -- the session that sent the last batch
    told_seq        INTEGER NOT NULL DEFAULT 0, -- the highest number that the kiosk has told of, and when it did
    told_ms         INTEGER NOT NULL DEFAULT 0,
    complete_ms     INTEGER NOT NULL DEFAULT 0, -- when it last told of no more than is here; 0 for never
    UNIQUE (node, counter, random)
) STRICT;

CREATE TABLE relay_batch (
    origin      INTEGER NOT NULL REFERENCES relay_origin (ix),
    last_seq    INTEGER NOT NULL,
    first_seq   INTEGER NOT NULL,
    hash_before BLOB NOT NULL,
    hash_after  BLOB NOT NULL,
    received_ms INTEGER NOT NULL,
    sealed      BLOB NOT NULL,
    PRIMARY KEY (origin, last_seq)
) STRICT;

-- The feeds that a store serves to its kiosks: in which version of its own each key was changed last. What a key says
-- stands in `item` and `price`; one that has nothing there is gone.
CREATE TABLE served_entry (
    feed    TEXT NOT NULL,
    key     TEXT NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (feed, key)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX served_entry_by_version ON served_entry (feed, version);

-- The runs of versions, each given out by one process under a random number of its own.
CREATE TABLE served_epoch (
    feed          TEXT NOT NULL,
    first_version INTEGER NOT NULL,
    epoch         INTEGER NOT NULL, -- 64 bits, stored as signed
    PRIMARY KEY (feed, first_version)
) STRICT, WITHOUT ROWID;

INSERT INTO served_entry (feed, key, version)
SELECT 'catalog', sku, row_number() OVER (ORDER BY sku) FROM price WHERE list IS NOT NULL;
INSERT INTO served_entry (feed, key, version)
SELECT 'prices', sku, row_number() OVER (ORDER BY sku) FROM price WHERE override IS NOT NULL;
INSERT INTO served_epoch (feed, first_version, epoch)
SELECT feed, 1, random() FROM (SELECT DISTINCT feed FROM served_entry);
