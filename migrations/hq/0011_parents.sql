-- A kiosk's node hangs on its store's node, which passes its records on. Nothing for a node that comes by itself.
ALTER TABLE node ADD COLUMN parent TEXT;
