-- a label that says no time arrived when it was first seen: now, or when it was parked if its file is read again
UPDATE staged
SET labelled_at = coalesce(
    (SELECT min(p.labelled_at) FROM parked_labels AS p
     WHERE p.model_id = $model_id AND p.source = $source
       AND p.file = staged.file AND p.row = staged.row AND p.sample_id = staged.sample_id),
    $now)
WHERE labelled_at IS NULL AND reason IS NULL;
