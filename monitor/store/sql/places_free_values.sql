-- slice values of which no sample is left
DELETE FROM slice_values
WHERE model_id = $model_id
  AND (dimension, value) NOT IN (
      SELECT (said.key, said.value)
      FROM (
          SELECT unnest(map_entries(labels)) AS said
          FROM slices
          WHERE slice_id IN (SELECT DISTINCT slice_id FROM samples WHERE model_id = $model_id)
      )
  );
