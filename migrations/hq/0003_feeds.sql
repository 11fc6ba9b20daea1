-- What goes down to the nodes: entries compacted by key. A feed's versions are given out under its own lock, so that
-- whoever has read up to one has missed none before it.

CREATE TABLE feed (
    name TEXT NOT NULL PRIMARY KEY,
    -- The version of its newest entry.
    version BIGINT NOT NULL
);

CREATE TABLE feed_entry (
    feed TEXT NOT NULL,
    key TEXT NOT NULL,
    version BIGINT NOT NULL,
    -- JSON; nothing where the key is gone.
    body TEXT,
    PRIMARY KEY (feed, key)
);

CREATE UNIQUE INDEX feed_entry_by_version ON feed_entry (feed, version);
