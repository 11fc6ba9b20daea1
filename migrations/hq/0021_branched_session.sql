-- The connection that offered another branch last. A word of its own that comes late, or twice, is of that branch too.
ALTER TABLE origin ADD COLUMN branched_session BIGINT NOT NULL DEFAULT 0;
