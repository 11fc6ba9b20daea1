-- Standbys: a second disk on the store's LAN that follows this one and takes its place when it is gone.

-- On the node that is followed: who follows, and by which key its successor would sign. Admitted in the journal too.
CREATE TABLE standby (
    device     INTEGER PRIMARY KEY REFERENCES device (ix),
    public_key BLOB NOT NULL,
    address    TEXT NOT NULL -- where it answers, 'http://HOST:PORT'
) STRICT;

-- On a standby's copy, one row: whom it follows, and up to which change below it has rows that no record gives.
-- Gone once it is promoted.
CREATE TABLE following (
    one             INTEGER PRIMARY KEY CHECK (one = 1),
    primary_address TEXT NOT NULL,
    change          INTEGER NOT NULL
) STRICT;

-- One row on a disk that was succeeded by its standby: who wrote the incarnation that goes on, and where it answers.
-- Such a disk sells no more; what nobody has seen of it still goes up.
CREATE TABLE succeeded (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    counter INTEGER NOT NULL,
    random  INTEGER NOT NULL, -- 64 bits, stored as signed
    seq     INTEGER NOT NULL, -- the last record of this disk that the successor has
    address TEXT NOT NULL
) STRICT;

-- Which rows that no record gives have changed, the last change of each. Triggers write it, and only while a standby is
-- admitted: rows of tables that a sale writes are not among them.
CREATE TABLE followed_change (
    change INTEGER PRIMARY KEY AUTOINCREMENT,
    source TEXT NOT NULL, -- the table
    key    TEXT NOT NULL, -- the row's key, a JSON array
    UNIQUE (source, key)
) STRICT;
