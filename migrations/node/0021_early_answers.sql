-- Answers that a standby was told of before the record that they follow from. With the record they become answers of its own;
-- where it is promoted without it they are forgotten, and what was asked for is done, because nobody here has done it.
CREATE TABLE early_answer (
    device      INTEGER NOT NULL,
    key         TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    position    INTEGER NOT NULL,
    status      INTEGER,
    body        BLOB,
    day         INTEGER NOT NULL,
    PRIMARY KEY (device, key)
) STRICT, WITHOUT ROWID;
