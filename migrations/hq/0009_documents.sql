-- Shelves: the documents in which replicas' rows travel, and the rows themselves as far as they may be counted.

CREATE TABLE replica (
    -- One incarnation of one node that a document names: its writer, or one that it gave rights to or took them from.
    id BIGINT NOT NULL PRIMARY KEY,
    node TEXT NOT NULL,
    counter BIGINT NOT NULL,
    random BIGINT NOT NULL,
    UNIQUE (node, counter, random)
);

CREATE TABLE shelf_document (
    id BIGINT NOT NULL PRIMARY KEY,
    site TEXT NOT NULL,
    writer BIGINT NOT NULL REFERENCES replica (id),
    bucket BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    -- The node that brought it; nothing where headquarters writes it.
    source TEXT,
    -- Automerge's heads, 32 bytes each.
    heads BLOB NOT NULL,
    -- The last record of the writer's journal that its rows contain.
    through BIGINT NOT NULL,
    -- 1 where its rows are not merged, because the ledger does not have that record.
    waits BIGINT NOT NULL,
    -- The whole document, as Automerge saves it; what was added since stands in shelf_document_piece.
    whole BLOB NOT NULL,
    UNIQUE (site, writer, bucket, generation)
);

CREATE INDEX shelf_document_waiting ON shelf_document (waits) WHERE waits = 1;

CREATE TABLE shelf_document_piece (
    document BIGINT NOT NULL REFERENCES shelf_document (id),
    number BIGINT NOT NULL,
    added BLOB NOT NULL,
    PRIMARY KEY (document, number)
);

CREATE TABLE shelf_document_acked (
    -- What a node has on disk of a document.
    document BIGINT NOT NULL REFERENCES shelf_document (id),
    node TEXT NOT NULL,
    heads BLOB NOT NULL,
    PRIMARY KEY (document, node)
);

CREATE TABLE shelf_bucket (
    -- Which of headquarters' own documents an item is in.
    writer BIGINT NOT NULL REFERENCES replica (id),
    site TEXT NOT NULL,
    sku TEXT NOT NULL,
    bucket BIGINT NOT NULL,
    PRIMARY KEY (writer, site, sku)
);

CREATE TABLE register (
    -- Another replica's row of an item on sale at a site: sums over all time, in thousandths of the item's unit.
    site TEXT NOT NULL,
    sku TEXT NOT NULL,
    replica BIGINT NOT NULL REFERENCES replica (id),
    added BIGINT NOT NULL,
    removed BIGINT NOT NULL,
    held BIGINT NOT NULL,
    freed BIGINT NOT NULL,
    debt BIGINT NOT NULL,
    repaid BIGINT NOT NULL,
    -- Rights handed on and taken over, by replica; nothing where there are none.
    peers BLOB,
    -- The last record of the replica's journal that is in it for certain.
    through BIGINT NOT NULL,
    PRIMARY KEY (site, sku, replica)
);

CREATE TABLE shelf_mark (
    -- Up to which record of its journal headquarters' own rows are in its documents.
    replica BIGINT NOT NULL PRIMARY KEY REFERENCES replica (id),
    mark BIGINT NOT NULL
);
