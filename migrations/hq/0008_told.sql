-- Which connection told of the highest number, and what others had told before it. Where a connection turns out to be of
-- another branch, what it told is taken back, and what the others told still stands.
ALTER TABLE origin ADD COLUMN told_session BIGINT NOT NULL DEFAULT 0;
ALTER TABLE origin ADD COLUMN told_before_seq BIGINT NOT NULL DEFAULT 0;
