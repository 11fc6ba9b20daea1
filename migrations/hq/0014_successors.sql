-- Keys that a node has admitted for a standby that may succeed it, as its journal says.
CREATE TABLE successor_key (
    node       TEXT NOT NULL,
    public_key BLOB NOT NULL,
    PRIMARY KEY (node, public_key)
);
