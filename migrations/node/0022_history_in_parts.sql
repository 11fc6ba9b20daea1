-- A record of a thousand lines is followed in parts: of the record behind `position` the history has so many shelves.
ALTER TABLE history_cursor ADD COLUMN shelves INTEGER NOT NULL DEFAULT 0;
