-- Carts that tills share. They are no facts: what comes of one is a sale.
CREATE TABLE cart (
    id         TEXT PRIMARY KEY,
    version    INTEGER NOT NULL, -- counts its edits
    state      INTEGER NOT NULL, -- 0 open, 1 parked, 2 paid, 3 void
    opened_by  INTEGER NOT NULL, -- the device that began it
    held_by    INTEGER NOT NULL, -- the device that took it up last
    content    BLOB NOT NULL,
    changed_ms INTEGER NOT NULL,
    series     INTEGER,          -- the sale that paid it
    counter    INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX cart_by_state ON cart (state, changed_ms);

-- Requests that changed a cart, by which a repeat is known. They go with their cart.
CREATE TABLE cart_request (
    cart        TEXT NOT NULL,
    device      INTEGER NOT NULL,
    key         TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    PRIMARY KEY (cart, device, key)
) STRICT, WITHOUT ROWID;
