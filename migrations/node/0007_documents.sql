-- The documents in which rows of shelves travel between neighbours: this node's own, and those of others.

CREATE TABLE shelf_document (
    ix         INTEGER PRIMARY KEY,
    site       TEXT NOT NULL,
    writer     INTEGER NOT NULL REFERENCES replica (ix),
    bucket     INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    source     TEXT,             -- null: written here; '': brought by the parent; else the kiosk's node that brought it
    heads      BLOB NOT NULL,    -- Automerge's, 32 bytes each
    through    INTEGER NOT NULL, -- the last record of the writer's journal that the rows contain
    waits      INTEGER NOT NULL, -- 1 where they are not merged, because that record is not here
    whole      BLOB NOT NULL,    -- as Automerge saves it; what was added since stands in shelf_document_piece
    UNIQUE (site, writer, bucket, generation)
) STRICT;
CREATE INDEX shelf_document_waiting ON shelf_document (waits) WHERE waits = 1;

CREATE TABLE shelf_document_piece (
    document INTEGER NOT NULL REFERENCES shelf_document (ix),
    number   INTEGER NOT NULL,
    added    BLOB NOT NULL,
    PRIMARY KEY (document, number)
) STRICT, WITHOUT ROWID;

-- What a neighbour has on disk of a document.
CREATE TABLE shelf_document_acked (
    document  INTEGER NOT NULL REFERENCES shelf_document (ix),
    neighbour TEXT NOT NULL, -- '' for the parent, else the kiosk's node
    heads     BLOB NOT NULL,
    PRIMARY KEY (document, neighbour)
) STRICT, WITHOUT ROWID;

-- Which of this node's own documents an item is in, by incarnation.
CREATE TABLE shelf_bucket (
    writer INTEGER NOT NULL REFERENCES replica (ix),
    sku    TEXT NOT NULL,
    bucket INTEGER NOT NULL,
    PRIMARY KEY (writer, sku)
) STRICT, WITHOUT ROWID;

-- Up to which position of the journal its rows are in documents, by incarnation.
CREATE TABLE shelf_mark (
    writer   INTEGER PRIMARY KEY REFERENCES replica (ix),
    position INTEGER NOT NULL
) STRICT;
