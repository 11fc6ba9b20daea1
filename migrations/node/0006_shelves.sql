-- Shelves: the registers of every replica on every item, and what is promised. Amounts are thousandths of a unit, times
-- milliseconds.

-- Replicas by a short number: this node's incarnations, and others of its site that it has heard of.
CREATE TABLE replica (
    ix      INTEGER PRIMARY KEY,
    node    TEXT NOT NULL,
    counter INTEGER NOT NULL,
    random  INTEGER NOT NULL, -- 64 bits, stored as signed
    UNIQUE (node, counter, random)
) STRICT;

-- One row for each item, place and replica. Those of this node's incarnations follow from the journal; what is there
-- of an item is the sum of added - removed over all of them.
CREATE TABLE shelf (
    sku     TEXT NOT NULL,
    place   INTEGER NOT NULL, -- 0 sellable, 1 damaged
    replica INTEGER NOT NULL,
    added   INTEGER NOT NULL,
    removed INTEGER NOT NULL,
    held    INTEGER NOT NULL,
    freed   INTEGER NOT NULL,
    debt    INTEGER NOT NULL,
    repaid  INTEGER NOT NULL,
    peers   BLOB,             -- rights handed on and taken over, by replica; null for none
    touched INTEGER NOT NULL, -- the position of the last record that moved it; 0 where no record here did
    PRIMARY KEY (sku, place, replica)
) STRICT, WITHOUT ROWID;

-- What the records that were pruned had done: shelf = this + the journal.
CREATE TABLE shelf_base (
    sku     TEXT NOT NULL,
    place   INTEGER NOT NULL,
    replica INTEGER NOT NULL,
    added   INTEGER NOT NULL,
    removed INTEGER NOT NULL,
    held    INTEGER NOT NULL,
    freed   INTEGER NOT NULL,
    debt    INTEGER NOT NULL,
    repaid  INTEGER NOT NULL,
    peers   BLOB,
    touched INTEGER NOT NULL,
    PRIMARY KEY (sku, place, replica)
) STRICT, WITHOUT ROWID;

-- Open holds of the present incarnation. What ended is in the journal.
CREATE TABLE hold (
    id         BLOB PRIMARY KEY, -- 8 bytes
    device     INTEGER,          -- who opened it; null where it was taken over
    position   INTEGER NOT NULL, -- the record that opened it here
    opened     BLOB NOT NULL,    -- as it was opened
    expires_ms INTEGER NOT NULL  -- in the node's running time
) STRICT, WITHOUT ROWID;
CREATE INDEX hold_by_expiry ON hold (expires_ms);

CREATE TABLE hold_line (
    sku      TEXT NOT NULL,
    hold     BLOB NOT NULL,
    quantity INTEGER NOT NULL,
    PRIMARY KEY (sku, hold)
) STRICT, WITHOUT ROWID;

-- How long this node has run, over all its starts, as far as it was noted: what holds run out by. It never counts more
-- than has passed.
CREATE TABLE running (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    elapsed_ms INTEGER NOT NULL
) STRICT;

-- The plain quantities that came before. What was pruned becomes one receipt, or one sale in hand; the rest is made of
-- the journal anew when the node starts.
INSERT INTO replica (node, counter, random)
    SELECT node.node, incarnation.counter, incarnation.random FROM incarnation, node ORDER BY incarnation.ix;
INSERT INTO shelf_base (sku, place, replica, added, removed, held, freed, debt, repaid, touched)
    SELECT sku, 0, (SELECT min(ix) FROM replica), max(quantity, 0), max(-quantity, 0), 0, 0, max(-quantity, 0), 0, 0
    FROM stock_base WHERE quantity <> 0 AND EXISTS (SELECT * FROM replica);
DROP TABLE stock;
DROP TABLE stock_base;

-- Not empty: rows that follow from the journal are to be made anew before anything is sold.
CREATE TABLE rebuild (
    one INTEGER PRIMARY KEY CHECK (one = 1)
) STRICT;
INSERT INTO rebuild (one) SELECT 1 WHERE EXISTS (SELECT * FROM journal);
