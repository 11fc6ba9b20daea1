-- What headquarters tells single sites: pickups and transfers, as far as it has heard of them. Each is told in the feed of
-- its site, too.

CREATE TABLE pickup (
    id BLOB NOT NULL PRIMARY KEY,
    site TEXT NOT NULL,
    -- 1 where nothing more is to be done.
    over BIGINT NOT NULL,
    -- 1 while the site's feed speaks of it.
    told BIGINT NOT NULL,
    -- Milliseconds since 1970.
    changed_ms BIGINT NOT NULL,
    -- What was ordered, and the decision that brought it furthest.
    pickup BLOB NOT NULL
);

CREATE INDEX pickup_by_site ON pickup (site, over, told, changed_ms);

CREATE TABLE transfer (
    id BLOB NOT NULL PRIMARY KEY,
    -- Nothing where no fact has named it yet.
    from_site TEXT,
    to_site TEXT,
    over BIGINT NOT NULL,
    told BIGINT NOT NULL,
    first_ms BIGINT NOT NULL,
    changed_ms BIGINT NOT NULL,
    -- Its facts, as far as they are known.
    transfer BLOB NOT NULL
);

CREATE INDEX transfer_by_age ON transfer (over, told, changed_ms);
