-- What is made of the ledger. Everything here can be thrown away and made again from it, in the order of
-- ledger_batch.position, with the same result.

CREATE TABLE projection (
    -- How far each projection is: the place of the last batch that it contains.
    name TEXT NOT NULL PRIMARY KEY,
    position BIGINT NOT NULL
);

CREATE TABLE projection_reach (
    -- How far each origin is in a projection: its last record, and when its node recorded that (a clock's stamp).
    projection TEXT NOT NULL,
    origin BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    recorded BIGINT NOT NULL,
    PRIMARY KEY (projection, origin)
);

CREATE TABLE set_aside (
    -- Records that a projection could not read or apply. The records themselves stay in the ledger.
    projection TEXT NOT NULL,
    origin BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    -- The record's kind; 0 where not even that can be read.
    kind BIGINT NOT NULL,
    reason TEXT NOT NULL,
    -- open, waiting (a newer program can read it), repaired (by a correction) or read (after an upgrade).
    state TEXT NOT NULL,
    found_ms BIGINT NOT NULL,
    PRIMARY KEY (projection, origin, seq)
);

CREATE TABLE rehomed (
    -- Records of another branch that a projection has met under a later incarnation, so that it meets each once.
    projection TEXT NOT NULL,
    node TEXT NOT NULL,
    counter BIGINT NOT NULL,
    random BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (projection, node, counter, random, seq, hash)
);

CREATE TABLE sale (
    -- A sale or a refund, by the identity that its till gave it. Its lines stay in the ledger.
    series TEXT NOT NULL,
    counter BIGINT NOT NULL,
    -- sale or refund.
    kind TEXT NOT NULL,
    -- The record that it is: whose, and its number there.
    origin BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    -- The record that holds its content: the same, or the correction that replaced it.
    kept_origin BIGINT NOT NULL,
    kept_seq BIGINT NOT NULL,
    site TEXT NOT NULL,
    -- Days since 1970-01-01.
    business_day BIGINT NOT NULL,
    -- Seconds of the till's clock since 1970, and its minutes east of UTC where known.
    sold_at BIGINT NOT NULL,
    offset_minutes BIGINT,
    recorded BIGINT NOT NULL,
    receipt_series TEXT NOT NULL,
    receipt_number BIGINT NOT NULL,
    channel TEXT NOT NULL,
    customer TEXT,
    currency TEXT NOT NULL,
    -- In minor units of the currency, positive also for refunds.
    total BIGINT NOT NULL,
    -- The sale that a refund takes back from.
    of_series TEXT,
    of_counter BIGINT,
    -- Of everything that the till itself decided, so that a repeat is known from a conflict.
    digest BLOB NOT NULL,
    PRIMARY KEY (series, counter)
);

CREATE INDEX sale_by_day ON sale (business_day, site, sold_at, series, counter);

CREATE TABLE sale_repeat (
    -- A sale that came again under the same identity with another content (conflict) or the same one (repeat).
    -- Neither is counted.
    origin BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    kept_origin BIGINT NOT NULL,
    kept_seq BIGINT NOT NULL,
    series TEXT NOT NULL,
    counter BIGINT NOT NULL,
    -- 1 for a conflict, 0 for a repeat.
    conflict BIGINT NOT NULL,
    found_ms BIGINT NOT NULL,
    PRIMARY KEY (origin, seq)
);

CREATE INDEX sale_repeat_by_conflict ON sale_repeat (conflict, found_ms, origin, seq);

CREATE TABLE daily_total (
    -- Amounts in minor units of the currency; units in thousandths.
    site TEXT NOT NULL,
    business_day BIGINT NOT NULL,
    currency TEXT NOT NULL,
    sales BIGINT NOT NULL,
    gross BIGINT NOT NULL,
    discount BIGINT NOT NULL,
    tax BIGINT NOT NULL,
    total BIGINT NOT NULL,
    units BIGINT NOT NULL,
    refunds BIGINT NOT NULL,
    refunded_tax BIGINT NOT NULL,
    refunded BIGINT NOT NULL,
    returned_units BIGINT NOT NULL,
    PRIMARY KEY (business_day, site, currency)
);

CREATE TABLE stock (
    -- In thousandths of the item's unit; negative where more was sold than is known to have come in.
    site TEXT NOT NULL,
    sku TEXT NOT NULL,
    quantity BIGINT NOT NULL,
    PRIMARY KEY (site, sku)
);
