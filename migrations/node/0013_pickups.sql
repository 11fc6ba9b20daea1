-- Pickups at this site: what headquarters tells in the site's feed, brought further by what was decided here.

CREATE TABLE pickup (
    ix         INTEGER PRIMARY KEY, -- in the order in which they were heard of
    id         BLOB NOT NULL UNIQUE, -- 8 bytes; that of its hold
    over       INTEGER NOT NULL, -- 1 where nothing more is to be done
    pickup     BLOB NOT NULL, -- what was ordered, and the decision that brought it furthest
    changed_ms INTEGER NOT NULL -- milliseconds since 1970
) STRICT;
CREATE INDEX pickup_open ON pickup (over, ix);
