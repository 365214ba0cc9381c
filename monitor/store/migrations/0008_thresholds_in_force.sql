-- Thresholds that decide now: those of the calibrators in charge, and where none is in charge those of scores as they come.

CREATE VIEW thresholds_in_force AS
FROM thresholds AS t
WHERE EXISTS (
        FROM serving AS s
        WHERE s.model = t.model AND s.scope = t.scope AND s.calibrator = t.calibrator AND s.until IS NULL
    )
    OR t.calibrator = '' AND NOT EXISTS (
        FROM serving AS s
        WHERE s.model = t.model AND s.scope = t.scope AND s.calibrator <> '' AND s.until IS NULL
    );
