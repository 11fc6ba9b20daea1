-- How much of another node's journal was here when a count's mark was taken.
ALTER TABLE count_mark_node ADD COLUMN had INTEGER NOT NULL DEFAULT 0;
