-- Thresholds and alerts. What is wrong with an item follows from its shelf; that it was told, and who has seen it, stands
-- here, so that a restart tells nothing anew.

-- From how much left an item counts as low, where a manager has set it; the site's default holds for all others.
CREATE TABLE threshold (
    sku      TEXT PRIMARY KEY,
    quantity INTEGER NOT NULL -- thousandths of a unit
) STRICT, WITHOUT ROWID;

CREATE TABLE alert (
    ix              INTEGER PRIMARY KEY AUTOINCREMENT,
    kind            INTEGER NOT NULL,
    sku             TEXT NOT NULL, -- empty where it is of no item
    raised_ms       INTEGER NOT NULL, -- times are milliseconds since 1970
    detail          TEXT NOT NULL,
    acknowledged_ms INTEGER,
    acknowledged_by TEXT,
    cleared_ms      INTEGER,
    revision        INTEGER NOT NULL -- higher with every change of any alert
) STRICT;
CREATE UNIQUE INDEX alert_open ON alert (kind, sku) WHERE cleared_ms IS NULL;
CREATE INDEX alert_by_revision ON alert (revision);

-- Items whose shelf has moved since it was judged.
CREATE TABLE alert_due (
    sku TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- The site's threshold by which all items were judged last.
CREATE TABLE alert_default (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    quantity INTEGER NOT NULL
) STRICT;
