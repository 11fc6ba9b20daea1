-- Counts at a site where more than one node moves goods: the marks that were taken, which counts still
-- wait for records from before their marks, and what the last count of each item found. Quantities are thousandths of a unit.

-- A mark: what was on the shelves after this record of the own journal, and after these of the other nodes'.
CREATE TABLE count_mark (
    ix       INTEGER PRIMARY KEY AUTOINCREMENT,
    position INTEGER NOT NULL,
    taken_ms INTEGER NOT NULL -- milliseconds since 1970
) STRICT;
CREATE TABLE count_mark_node (
    mark    INTEGER NOT NULL,
    node    TEXT NOT NULL,
    counter INTEGER NOT NULL,
    random  INTEGER NOT NULL, -- 64 bits, stored as signed
    seq     INTEGER,          -- null where the node could not be asked
    PRIMARY KEY (mark, node, counter, random)
) STRICT, WITHOUT ROWID;

-- Counts that lack records from before a mark: of whom, which they had, and up to which they need them.
CREATE TABLE count_open (
    work    BLOB NOT NULL, -- the count's identity, 8 bytes
    node    TEXT NOT NULL,
    counter INTEGER NOT NULL,
    random  INTEGER NOT NULL,
    had     INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    PRIMARY KEY (work, node, counter, random)
) STRICT, WITHOUT ROWID;
-- The items of these counts.
CREATE TABLE count_line (
    sku      TEXT NOT NULL,
    position INTEGER NOT NULL, -- the count's record
    work     BLOB NOT NULL,
    PRIMARY KEY (sku, position)
) STRICT, WITHOUT ROWID;

-- What the last count of an item found.
CREATE TABLE count_found (
    sku         TEXT PRIMARY KEY,
    work        BLOB NOT NULL,
    counted     INTEGER NOT NULL,
    difference  INTEGER NOT NULL,
    provisional INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
