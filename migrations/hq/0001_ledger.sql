-- Headquarters' ledger: what nodes have sent, as they sent it, and how far each of their incarnations is committed.
--
-- The SQL is the subset that SQLite and PostgreSQL share. BIGINT numbers that name rows are handed out by the program
-- inside the writing transaction. 64-bit random numbers are kept with their bits unchanged, so they may be negative.
-- Times end in _ms: milliseconds since 1970. Hashes are 32 bytes.

CREATE TABLE headquarters (
    -- One row: who this headquarters is.
    singleton BIGINT NOT NULL PRIMARY KEY CHECK (singleton = 1),
    node TEXT NOT NULL,
    counter BIGINT NOT NULL,
    random BIGINT NOT NULL,
    secret_key BLOB NOT NULL,
    -- The clock's stamp on the last record of its own journal.
    recorded BIGINT NOT NULL
);

CREATE TABLE node (
    node TEXT NOT NULL PRIMARY KEY,
    site TEXT NOT NULL,
    enrolled_ms BIGINT NOT NULL,
    -- Empty until it has introduced itself.
    software TEXT NOT NULL,
    -- 0 where nothing has been heard yet.
    last_heard_ms BIGINT NOT NULL
);

CREATE TABLE origin (
    -- One life of a node's journal.
    id BIGINT NOT NULL PRIMARY KEY,
    node TEXT NOT NULL,
    counter BIGINT NOT NULL,
    random BIGINT NOT NULL,
    public_key BLOB NOT NULL,
    site TEXT NOT NULL,
    -- Why it opened, and where the one before it stood on that disk; nothing until its first record is here.
    reason TEXT,
    predecessor TEXT,
    -- counted, set_apart or excluded.
    state TEXT NOT NULL,
    acked_seq BIGINT NOT NULL,
    acked_hash BLOB NOT NULL,
    -- The session that sent the last batch; 0 for none.
    session BIGINT NOT NULL,
    last_heard_ms BIGINT NOT NULL,
    -- The highest number that its node has told of, and when it told it.
    told_seq BIGINT NOT NULL,
    told_ms BIGINT NOT NULL,
    -- The last time that another branch of it was offered; 0 for never.
    branched_ms BIGINT NOT NULL,
    UNIQUE (node, counter, random)
);

CREATE TABLE ledger_batch (
    origin BIGINT NOT NULL REFERENCES origin (id),
    last_seq BIGINT NOT NULL,
    first_seq BIGINT NOT NULL,
    -- Records before this one were known already; those of this batch count from here.
    effective_from BIGINT NOT NULL,
    hash_before BLOB NOT NULL,
    hash_after BLOB NOT NULL,
    received_ms BIGINT NOT NULL,
    -- Its place in the order in which batches take effect; nothing while its origin does not count.
    position BIGINT,
    sealed BLOB NOT NULL,
    PRIMARY KEY (origin, last_seq)
);

CREATE UNIQUE INDEX ledger_batch_by_position ON ledger_batch (position);

CREATE TABLE ledger_hole (
    -- Records that headquarters had, lost with a restore of its own, and that their node had pruned by then.
    origin BIGINT NOT NULL REFERENCES origin (id),
    first_seq BIGINT NOT NULL,
    last_seq BIGINT NOT NULL,
    hash_after BLOB NOT NULL,
    found_ms BIGINT NOT NULL,
    PRIMARY KEY (origin, first_seq)
);
