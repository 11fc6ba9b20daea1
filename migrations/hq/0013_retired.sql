-- Replicas that their parents have retired: headquarters' nodes by its own operators, stores' kiosks by theirs.

CREATE TABLE retired (
    replica BIGINT NOT NULL PRIMARY KEY REFERENCES replica (id),
    site TEXT NOT NULL,
    -- The last record that its parent had.
    seq BIGINT NOT NULL,
    by_whom TEXT NOT NULL,
    reason TEXT NOT NULL,
    -- The record of headquarters' own journal that says so; 0 where a store has retired it.
    here BIGINT NOT NULL
);

CREATE TABLE unpromised (
    -- What replicas that headquarters has retired left, and nobody may promise yet; in thousandths.
    site TEXT NOT NULL,
    sku TEXT NOT NULL,
    replica BIGINT NOT NULL REFERENCES replica (id),
    amount BIGINT NOT NULL,
    PRIMARY KEY (site, sku, replica)
);

CREATE TABLE late_posted (
    -- Records of replicas that headquarters has retired, behind the head, that stand on its own row: each once.
    origin BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    PRIMARY KEY (origin, seq)
);

-- The record of headquarters' own journal that moved the row of a replica that it has retired; -1 where another parent
-- writes the row; 0 where the replica does.
ALTER TABLE register ADD COLUMN touched BIGINT NOT NULL DEFAULT 0;
