-- Movements by the identity that their client gave them, so that one that comes again is known for as long as this
-- database lives, also where the answers to old requests are forgotten. Kept when the record itself is pruned.
CREATE TABLE movement (
    id       BLOB PRIMARY KEY, -- 8 bytes
    position INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
