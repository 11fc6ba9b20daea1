-- A node's database, version 1. Times are milliseconds since 1970, quantities thousandths of a unit, amounts minor
-- units of the node's currency, business days days since 1970-01-01. Tables that a sale writes have integer keys,
-- no foreign keys (`verify` checks more than they could) and no index that a sale does not need.

-- 'FMnd': this file is a node's database of The Final Market.
PRAGMA application_id = 0x464d6e64;

-- Who this is. One row, written when the node is made.
CREATE TABLE node (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    org        TEXT NOT NULL,
    node       TEXT NOT NULL,
    site       TEXT NOT NULL,
    currency   TEXT NOT NULL,
    machine    BLOB NOT NULL, -- SHA-256 of the machine's id: a disk that runs elsewhere is known by it
    created_ms INTEGER NOT NULL
) STRICT;

-- The lives of the journal, oldest first. Each is a contiguous range of positions from first_position up to the
-- next one's.
CREATE TABLE incarnation (
    ix              INTEGER PRIMARY KEY,
    counter         INTEGER NOT NULL,
    random          INTEGER NOT NULL, -- 64 bits, stored as signed
    secret_key      BLOB NOT NULL,
    public_key      BLOB NOT NULL,
    first_position  INTEGER NOT NULL,
    earliest_seq    INTEGER NOT NULL, -- the first record that is still kept
    before_earliest BLOB NOT NULL,    -- the chain's hash before it
    acked_seq       INTEGER NOT NULL, -- what headquarters has committed
    acked_hash      BLOB NOT NULL,
    rehomed_through INTEGER,          -- not null: fenced; where the last copy of its records stands, 0 for no copy
    UNIQUE (counter, random)
) STRICT;

-- Everything that has happened, in the order in which it did. All other tables about trade follow from this one.
CREATE TABLE journal (
    position INTEGER PRIMARY KEY,
    record   BLOB NOT NULL,
    hash     BLOB NOT NULL -- the incarnation's chain after this record
) STRICT;

-- Till series by a short number. Given out at pairing, never used again.
CREATE TABLE series (
    ix   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- Receipt series by a short number: one for each register and incarnation.
CREATE TABLE receipt_series (
    ix             INTEGER PRIMARY KEY,
    name           TEXT NOT NULL UNIQUE,
    register       TEXT NOT NULL,
    incarnation    INTEGER NOT NULL REFERENCES incarnation (ix),
    pruned_through INTEGER NOT NULL DEFAULT 0, -- the last number whose document was pruned
    UNIQUE (register, incarnation)
) STRICT;

-- Sales and refunds by their identity. What they hold stands in the journal at `position`.
CREATE TABLE document (
    series         INTEGER NOT NULL,
    counter        INTEGER NOT NULL,
    position       INTEGER NOT NULL,
    kind           INTEGER NOT NULL, -- 0 sale, 1 refund
    receipt_series INTEGER NOT NULL,
    number         INTEGER NOT NULL,
    business_day   INTEGER NOT NULL,
    total          INTEGER NOT NULL, -- what was paid, or paid back; never negative
    PRIMARY KEY (series, counter)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX document_by_receipt ON document (receipt_series, number);
CREATE INDEX document_by_day ON document (business_day, position);

-- What came back of each line of a sale, over all its refunds.
CREATE TABLE refunded (
    sale     INTEGER NOT NULL, -- the sale's position
    line     INTEGER NOT NULL, -- from 0
    quantity INTEGER NOT NULL,
    amount   INTEGER NOT NULL,
    tax      INTEGER NOT NULL,
    PRIMARY KEY (sale, line)
) STRICT, WITHOUT ROWID;

CREATE TABLE stock (
    sku      TEXT PRIMARY KEY,
    quantity INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What the records that were pruned had moved: stock = this + the journal.
CREATE TABLE stock_base (
    sku      TEXT PRIMARY KEY,
    quantity INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What people read about an item.
CREATE TABLE item (
    ix          INTEGER PRIMARY KEY,
    sku         TEXT NOT NULL UNIQUE,
    gtin        INTEGER, -- the number, whatever its zeros in front
    gtin_digits INTEGER, -- how many digits it was given with
    name        TEXT NOT NULL,
    department  TEXT NOT NULL,
    brand       TEXT NOT NULL,
    size        TEXT NOT NULL
) STRICT;
CREATE INDEX item_by_gtin ON item (gtin) WHERE gtin IS NOT NULL;
CREATE INDEX item_by_name ON item (name COLLATE NOCASE);

-- Words of items, for search as one types. It holds no text of its own; prefixes of one to three letters have lists.
CREATE VIRTUAL TABLE item_words USING fts5 (
    name, brand, department, size,
    content = '', contentless_delete = 1, detail = none, prefix = '1 2 3',
    tokenize = 'unicode61 remove_diacritics 2'
);

-- What a sale needs of an item, apart from what people read, so that it stays small and in memory.
CREATE TABLE price (
    sku       TEXT PRIMARY KEY,
    list      INTEGER, -- the catalog's price, packed; null where only the price feed has spoken
    override  INTEGER, -- the price feed's, packed
    tax_class TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE feed_cursor (
    feed    TEXT PRIMARY KEY,
    version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Requests that were answered, for 90 days. A sale or a refund that came without a key of its own is known by its
-- identity and has no row here.
CREATE TABLE idempotency (
    device      INTEGER NOT NULL,
    key         TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    position    INTEGER, -- the record that the answer is made from
    status      INTEGER, -- or the answer itself
    body        BLOB,
    day         INTEGER NOT NULL, -- days since 1970 when it was answered
    PRIMARY KEY (device, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE device (
    ix         INTEGER PRIMARY KEY,
    token_hash BLOB NOT NULL UNIQUE, -- SHA-256
    name       TEXT NOT NULL,
    role       INTEGER NOT NULL, -- 0 till, 1 kiosk, 2 manager
    rights     INTEGER NOT NULL, -- 1 may backdate, 2 may state prices
    register   TEXT,
    series     INTEGER REFERENCES series (ix),
    created_ms INTEGER NOT NULL,
    revoked_ms INTEGER
) STRICT;

CREATE TABLE pairing_code (
    ix         INTEGER PRIMARY KEY,
    code_hash  BLOB NOT NULL UNIQUE, -- SHA-256
    salt       BLOB NOT NULL, -- with the code and the request's key it gives the token, so that a repeat gives it again
    name       TEXT NOT NULL,
    role       INTEGER NOT NULL,
    rights     INTEGER NOT NULL,
    register   TEXT,
    expires_ms INTEGER NOT NULL,
    device     INTEGER REFERENCES device (ix), -- not null: redeemed
    request    TEXT -- the key of the request that redeemed it
) STRICT;

-- What could not be read, sent or applied: kept, visible, passed.
CREATE TABLE set_aside (
    ix        INTEGER PRIMARY KEY,
    source    TEXT NOT NULL, -- 'journal' or 'feed:NAME'
    reference TEXT NOT NULL, -- a position, or a version and a key
    reason    TEXT NOT NULL,
    bytes     BLOB NOT NULL,
    at_ms     INTEGER NOT NULL,
    UNIQUE (source, reference)
) STRICT;
