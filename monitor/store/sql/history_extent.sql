-- when the readings of one slice and window begin and end
SELECT min(window_end) AS first, max(window_end) AS last
FROM (FROM slice_history UNION ALL BY NAME FROM newest)
WHERE model = $model AND slice = $slice AND "window" = $window;
