-- A feed's version means something only within its epoch: a headquarters that was set back gives versions out again.
ALTER TABLE feed_cursor ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0; -- 64 bits, stored as signed; 0 for none
-- Counts the times that the whole feed was taken afresh, and whether it is being taken now.
ALTER TABLE feed_cursor ADD COLUMN round INTEGER NOT NULL DEFAULT 0;
ALTER TABLE feed_cursor ADD COLUMN afresh INTEGER NOT NULL DEFAULT 0;

-- Which keys came with a feed, and in which round they came last: what has not come once the whole feed was taken
-- afresh is gone at headquarters. What was brought to this node itself has no row here and stays.
CREATE TABLE feed_key (
    feed  TEXT NOT NULL,
    key   TEXT NOT NULL,
    round INTEGER NOT NULL,
    PRIMARY KEY (feed, key)
) STRICT, WITHOUT ROWID;
