DELETE FROM source_notes
WHERE model = $model AND source = $source
  AND (noted_at < $oldest
       OR rowid NOT IN (SELECT rowid FROM source_notes WHERE model = $model AND source = $source
                        ORDER BY noted_at DESC, rowid DESC LIMIT $most));
