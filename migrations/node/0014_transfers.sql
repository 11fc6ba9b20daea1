-- Transfers from and to this site: what headquarters tells in the site's feed, with what was done here.

CREATE TABLE transfer (
    ix         INTEGER PRIMARY KEY, -- in the order in which they were heard of
    id         BLOB NOT NULL UNIQUE, -- 8 bytes
    over       INTEGER NOT NULL, -- 1 where nothing more is to be done
    transfer   BLOB NOT NULL, -- its facts, as far as they are known here
    heard_ms   INTEGER NOT NULL, -- milliseconds since 1970
    changed_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX transfer_open ON transfer (over, ix);
