-- Rights that this node has handed on, step by step, so that a step can be sent again until its receiver has taken it over,
-- and a request that comes twice is answered once. Amounts are thousandths of a unit.
CREATE TABLE granted (
    replica  INTEGER NOT NULL, -- the receiver
    sku      TEXT NOT NULL,
    after    INTEGER NOT NULL, -- what was handed on to it in all, with this step
    request  INTEGER,          -- the request that it answers; 64 bits, stored as signed
    position INTEGER NOT NULL, -- the record that made it
    taken    INTEGER NOT NULL, -- 1 where the receiver's journal shows that it has taken it over
    PRIMARY KEY (replica, sku, after)
) STRICT, WITHOUT ROWID;
