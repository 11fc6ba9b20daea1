-- The runs of versions that were given out by one process: a headquarters that was set back gives versions out again,
-- and by the random number a node finds that those that it has are others. Versions from before the first run here
-- have the epoch 0.

CREATE TABLE feed_epoch (
    feed TEXT NOT NULL,
    -- The first version of the run; it goes up to the next run's.
    first_version BIGINT NOT NULL,
    -- 64 random bits.
    epoch BIGINT NOT NULL,
    PRIMARY KEY (feed, first_version)
);

-- 1 where the next publication begins a run: since each start, for whoever set the database back stopped the process.
ALTER TABLE feed ADD COLUMN begins_epoch BIGINT NOT NULL DEFAULT 1;
