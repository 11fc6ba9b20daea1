-- Why shelves are as they are: what each record did to each shelf, and the holds that nodes have told of. Made of the
-- ledger with the stock figures, and with them again.

CREATE TABLE shelf_journal (
    -- What one incarnation's journal comes to on one shelf.
    site TEXT NOT NULL,
    -- 0 on sale, 1 set apart as damaged.
    place BIGINT NOT NULL,
    sku TEXT NOT NULL,
    origin BIGINT NOT NULL,
    -- Its row, and by kind how often it was moved, when, and by how much; packed.
    folded BLOB NOT NULL,
    PRIMARY KEY (site, place, sku, origin)
);

CREATE TABLE shelf_steps (
    -- The steps of all journals on one shelf, in the order in which they took effect here, some in each row.
    site TEXT NOT NULL,
    place BIGINT NOT NULL,
    sku TEXT NOT NULL,
    -- The number of the first of them: they are counted from 1.
    first_step BIGINT NOT NULL,
    steps BLOB NOT NULL,
    PRIMARY KEY (site, place, sku, first_step)
);

CREATE TABLE told_hold (
    -- Holds that are open as far as their owners have told.
    origin BIGINT NOT NULL,
    id BLOB NOT NULL,
    site TEXT NOT NULL,
    opened BLOB NOT NULL,
    -- When its time runs out if its owner runs all the time, in milliseconds since 1970.
    expires_ms BIGINT NOT NULL,
    PRIMARY KEY (origin, id)
);

CREATE INDEX told_hold_by_site ON told_hold (site);

-- What is in the ledger already is taken in anew.
DELETE FROM stock;
DELETE FROM movement;
DELETE FROM projection WHERE name = 'stock';
DELETE FROM projection_reach WHERE projection = 'stock';
DELETE FROM set_aside WHERE projection = 'stock';
DELETE FROM rehomed WHERE projection = 'stock';
