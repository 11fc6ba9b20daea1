-- Headquarters as a holder of rights of its own: what its online channels may promise of each site's goods.

CREATE TABLE own_shelf (
    -- Its registers, packed; made of its own journal.
    site TEXT NOT NULL,
    sku TEXT NOT NULL,
    registers BLOB NOT NULL,
    -- The number in its journal of the record that moved it last.
    touched BIGINT NOT NULL,
    PRIMARY KEY (site, sku)
);

-- What a sync point puts into documents.
CREATE INDEX own_shelf_by_touched ON own_shelf (touched);

CREATE TABLE granted (
    -- Rights that it has handed on and that are not taken over yet, step by step; the last step of each stays, so that a
    -- request that comes again is known. Amounts in thousandths.
    node TEXT NOT NULL,
    counter BIGINT NOT NULL,
    random BIGINT NOT NULL,
    site TEXT NOT NULL,
    sku TEXT NOT NULL,
    after BIGINT NOT NULL,
    -- 64 bits, with their bits unchanged; nothing where none was asked.
    request BIGINT,
    -- 1 where the node's journal shows that it has taken it over.
    taken BIGINT NOT NULL,
    -- The fact, packed.
    fact BLOB NOT NULL,
    PRIMARY KEY (node, counter, random, site, sku, after)
);

CREATE TABLE own_hold (
    -- Open holds of its online channels.
    id BLOB NOT NULL PRIMARY KEY,
    site TEXT NOT NULL,
    opened BLOB NOT NULL,
    -- In its running time.
    expires_ms BIGINT NOT NULL
);

CREATE INDEX own_hold_by_expiry ON own_hold (expires_ms);

CREATE TABLE running (
    -- How long it has run, over all its starts, in milliseconds, as far as it was noted.
    singleton BIGINT NOT NULL PRIMARY KEY CHECK (singleton = 1),
    elapsed_ms BIGINT NOT NULL
);
