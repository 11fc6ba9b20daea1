-- Thresholds and counts as the sites' nodes have told them (made of the ledger, with the stock figures), and alerts, which
-- are not: what was told, and who has seen it.

CREATE TABLE site_threshold (
    site TEXT NOT NULL,
    sku TEXT NOT NULL,
    -- Thousandths of a unit.
    quantity BIGINT NOT NULL,
    PRIMARY KEY (site, sku)
);

CREATE TABLE count_found (
    -- What the last count of an item found.
    site TEXT NOT NULL,
    sku TEXT NOT NULL,
    -- The count's identity, 8 bytes, and when it was recorded, in milliseconds since 1970.
    work BLOB NOT NULL,
    at_ms BIGINT NOT NULL,
    -- Thousandths of a unit.
    counted BIGINT NOT NULL,
    difference BIGINT NOT NULL,
    -- 1 where not everything from before its marks was known.
    provisional BIGINT NOT NULL,
    PRIMARY KEY (site, sku)
);

CREATE TABLE alert_due (
    -- Shelves that have moved since they were judged.
    site TEXT NOT NULL,
    sku TEXT NOT NULL,
    PRIMARY KEY (site, sku)
);

CREATE TABLE alert (
    id BIGINT NOT NULL PRIMARY KEY,
    kind BIGINT NOT NULL,
    site TEXT NOT NULL,
    -- Empty where it is of no item, and of no node.
    sku TEXT NOT NULL,
    node TEXT NOT NULL,
    -- Times are milliseconds since 1970.
    raised_ms BIGINT NOT NULL,
    detail TEXT NOT NULL,
    acknowledged_ms BIGINT,
    acknowledged_by TEXT,
    cleared_ms BIGINT
);

CREATE UNIQUE INDEX alert_open ON alert (kind, site, sku, node) WHERE cleared_ms IS NULL;

INSERT INTO alert_due (site, sku) SELECT DISTINCT site, sku FROM register;
