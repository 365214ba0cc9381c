-- rows of the store that give way to incoming ones: their sums are taken back
CREATE OR REPLACE TEMP TABLE replaced AS
SELECT e.* FROM existing AS e SEMI JOIN incoming AS i ON i.row_key = e.row_key;
