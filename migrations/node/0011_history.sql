-- The history of shelves: for each item and place, the records that moved it. It follows the journal behind a cursor, so
-- that a sale writes none of it; whoever asks lets it catch up first. Amounts are thousandths of a unit; the eight sums
-- are by how much the writer's registers grew.

CREATE TABLE history (
    sku      TEXT NOT NULL,
    place    INTEGER NOT NULL,
    position INTEGER NOT NULL, -- the record
    kind     INTEGER NOT NULL,
    at_ms    INTEGER NOT NULL, -- when it was recorded, milliseconds since 1970
    added    INTEGER NOT NULL,
    removed  INTEGER NOT NULL,
    held     INTEGER NOT NULL,
    freed    INTEGER NOT NULL,
    given    INTEGER NOT NULL,
    accepted INTEGER NOT NULL,
    debt     INTEGER NOT NULL,
    repaid   INTEGER NOT NULL,
    on_hand  INTEGER NOT NULL, -- after it, over all incarnations of this disk
    reserved INTEGER NOT NULL,
    PRIMARY KEY (sku, place, position)
) STRICT, WITHOUT ROWID;

-- What the rows of pruned records come to: one for each item, place and kind.
CREATE TABLE history_base (
    sku      TEXT NOT NULL,
    place    INTEGER NOT NULL,
    kind     INTEGER NOT NULL,
    times    INTEGER NOT NULL,
    first_ms INTEGER NOT NULL,
    last_ms  INTEGER NOT NULL,
    added    INTEGER NOT NULL,
    removed  INTEGER NOT NULL,
    held     INTEGER NOT NULL,
    freed    INTEGER NOT NULL,
    given    INTEGER NOT NULL,
    accepted INTEGER NOT NULL,
    debt     INTEGER NOT NULL,
    repaid   INTEGER NOT NULL,
    PRIMARY KEY (sku, place, kind)
) STRICT, WITHOUT ROWID;

-- The shelves as they were when the history had followed so far: `shelf`, some records ago.
CREATE TABLE shelf_followed (
    sku      TEXT NOT NULL,
    place    INTEGER NOT NULL,
    replica  INTEGER NOT NULL,
    added    INTEGER NOT NULL,
    removed  INTEGER NOT NULL,
    held     INTEGER NOT NULL,
    freed    INTEGER NOT NULL,
    debt     INTEGER NOT NULL,
    repaid   INTEGER NOT NULL,
    peers    BLOB,
    touched  INTEGER NOT NULL,
    PRIMARY KEY (sku, place, replica)
) STRICT, WITHOUT ROWID;

-- The last record that the history has.
CREATE TABLE history_cursor (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    position INTEGER NOT NULL
) STRICT;

-- Of what was pruned before there was a history only the sum is known.
INSERT INTO history_base
    SELECT sku, place, 0, 0, 0, 0, sum(added), sum(removed), sum(held), sum(freed), 0, 0, sum(debt), sum(repaid)
    FROM shelf_base GROUP BY sku, place;
INSERT INTO shelf_followed SELECT * FROM shelf_base;
