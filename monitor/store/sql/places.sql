-- Models, slices, streams and slice values, and their numbers.

-- name: places_free_streams
-- versions and calibrators of which no sample is left, nor a labelled image
UPDATE streams SET placed = false
WHERE model_id = $model_id AND placed
  AND stream_id NOT IN (SELECT DISTINCT stream_id FROM samples WHERE model_id = $model_id)
  AND stream_id NOT IN (
      SELECT DISTINCT stream_id FROM labelled_images WHERE model_id = $model_id AND stream_id IS NOT NULL);

-- name: places_free_values
-- slice values of which no sample is left, nor an object or a labelled image
DELETE FROM slice_values
WHERE model_id = $model_id
  AND (dimension, value) NOT IN (
      SELECT (said.key, said.value)
      FROM (
          SELECT unnest(map_entries(labels)) AS said
          FROM slices
          WHERE slice_id IN (
              SELECT slice_id FROM samples WHERE model_id = $model_id
              UNION
              SELECT slice_id FROM objects WHERE model_id = $model_id
              UNION
              SELECT slice_id FROM labelled_images WHERE model_id = $model_id
          )
      )
  );

-- name: tables_stored
SELECT database_name, schema_name, table_name
FROM duckdb_tables()
WHERE database_name = current_database() AND NOT temporary
ORDER BY ALL;

-- name: slice_keys_staged
SELECT slice_key, count(*) AS n
FROM staged
WHERE reason IS NULL AND slice_key IS NOT NULL
GROUP BY slice_key
ORDER BY n DESC, slice_key;

-- name: slices_met
SELECT slice_id, labels
FROM slices
WHERE model_id = $model_id AND slice_id IN (SELECT slice_id FROM slice_keys);

-- name: slice_insert
INSERT INTO slices
SELECT coalesce(max(slice_id), 0) + 1, $model_id, map($names::VARCHAR[], $texts::VARCHAR[]), NULL, NULL
FROM slices
RETURNING slice_id;

-- name: model_insert
INSERT INTO models (model_id, name, first_seen_at, folded_until, revision)
SELECT coalesce(max(model_id), 0) + 1, $name, $now, TIMESTAMP '1970-01-01', 0
FROM models
RETURNING model_id;

-- name: folded_values_known
SELECT kind, name, most, began_at, newest_at, rows, examples
FROM folded_values
WHERE model = $model
ORDER BY kind, name;

-- name: streams_met
SELECT coalesce(version, '') AS version, coalesce(calibrator, '') AS calibrator, count(*)
FROM /*rows*/
WHERE score IS NOT NULL
GROUP BY ALL;

-- name: source_fact_newest
SELECT max(f.value::TIMESTAMPTZ AT TIME ZONE 'UTC')
FROM source_facts AS f
JOIN models AS m USING (model_id)
WHERE m.name = $model AND f.fact = $fact;
