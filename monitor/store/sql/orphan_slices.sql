-- numbers in cells, which have those of all samples, that stand for no slice of the model
SELECT DISTINCT slice_id FROM cells
WHERE model_id = $model_id AND slice_id NOT IN (SELECT slice_id FROM slices WHERE model_id = $model_id)
ORDER BY slice_id;
