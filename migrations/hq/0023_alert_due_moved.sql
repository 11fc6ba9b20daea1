-- Shelves are judged beside what is taken in, by what a reader sees: one that moves meanwhile stays due.
ALTER TABLE alert_due ADD COLUMN moved BIGINT NOT NULL DEFAULT 0;
