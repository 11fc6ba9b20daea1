-- An incarnation whose branch was left goes on being offered up to where both branches are the same: a headquarters
-- that was set back may have lost just that part. Null while it was not left. Of those that an older version left
-- nobody knows any more how far that is, so that nothing of them is offered, as before.
ALTER TABLE incarnation ADD COLUMN common_seq INTEGER;
UPDATE incarnation SET common_seq = 0 WHERE rehomed_through IS NOT NULL;
