-- Replicas that their parents have retired: this node's kiosks by its own word, others as their documents say.
CREATE TABLE retired (
    replica  INTEGER PRIMARY KEY REFERENCES replica (ix),
    seq      INTEGER NOT NULL, -- the last record that its parent had
    position INTEGER NOT NULL  -- where this node's own journal says so; 0 where another has retired it
) STRICT;

-- What replicas that this node has retired left, and nobody may promise yet; in thousandths of a unit.
CREATE TABLE unpromised (
    sku     TEXT NOT NULL,
    replica INTEGER NOT NULL REFERENCES replica (ix),
    amount  INTEGER NOT NULL,
    PRIMARY KEY (sku, replica)
) STRICT, WITHOUT ROWID;

-- This node's own incarnations that its parent has retired, and why, for its staff.
CREATE TABLE retirement (
    incarnation INTEGER PRIMARY KEY REFERENCES incarnation (ix),
    seq         INTEGER NOT NULL,
    by_whom     TEXT NOT NULL,
    reason      TEXT NOT NULL,
    told_ms     INTEGER NOT NULL -- when this node heard of it, in milliseconds since 1970
) STRICT;
