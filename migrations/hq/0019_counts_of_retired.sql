-- Counts that include what a retired replica had recorded before their marks and headquarters did not have: what of that
-- comes is taken back. The newest count of each item stands for all.

CREATE TABLE count_late (
    site TEXT NOT NULL,
    sku TEXT NOT NULL,
    replica BIGINT NOT NULL REFERENCES replica (id),
    -- The count's identity, 8 bytes.
    work BLOB NOT NULL,
    -- The last record of the replica that the count includes.
    mark BIGINT NOT NULL,
    PRIMARY KEY (site, sku, replica)
);

-- Counts that were looked at for what retired replicas left: each once, also where figures are made anew.
CREATE TABLE count_seen (
    work BLOB NOT NULL PRIMARY KEY
);
