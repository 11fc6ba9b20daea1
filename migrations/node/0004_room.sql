-- What is written when somebody asks whether the node can sell: about as many pages as a sale writes, always the same
-- ones. One row at most.
CREATE TABLE room (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    asked_ms INTEGER NOT NULL,
    filling  BLOB NOT NULL -- zeros; only its size matters
) STRICT;
