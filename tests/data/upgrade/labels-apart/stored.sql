INSERT INTO models (model_id, name, first_seen_at, folded_until, revision, changed_from) VALUES
(1, 'm', '2026-03-10 12:00:00', '2026-02-24 00:00:00', 2, NULL);

INSERT INTO streams (stream_id, model_id, version, calibrator, first_seen_at) VALUES
(1, 1, '', '', '2026-03-10 12:00:00');

INSERT INTO slices (slice_id, model_id, labels, last_observed_at, last_labelled_at) VALUES
(1, 1, MAP {'camera': 'c0'}, '2026-03-09 20:20:00', NULL),
(2, 1, MAP {'camera': 'c1'}, '2026-03-09 21:00:00', NULL);

INSERT INTO slice_values (model_id, dimension, value) VALUES
(1, 'camera', 'c0'),
(1, 'camera', 'c1');

INSERT INTO samples (model_id, stream_id, slice_id, sample_id, observed_at, labelled_at, score, raw_score, n, positives, group_id, predicted_class, label, logits) VALUES
(1, 1, 1, '10', '2026-03-09 01:40:00', NULL, 0.8745, NULL, 1, NULL, NULL, NULL, NULL, NULL),
(1, 1, 2, '11', '2026-03-09 02:20:00', NULL, 0.9484, NULL, 1, NULL, NULL, NULL, NULL, NULL),
(1, 1, 1, '12', '2026-03-09 03:00:00', NULL, 0.8655, NULL, 1, NULL, NULL, NULL, NULL, NULL),
(1, 1, 2, '13', '2026-03-09 03:40:00', NULL, 0.2299, NULL, 1, NULL, NULL, NULL, NULL, NULL),
(1, 1, 1, '14', '2026-03-09 04:20:00', NULL, 0.6266, NULL, 1, NULL, NULL, NULL, NULL, NULL),
(1, 1, 2, '15', '2026-03-09 05:00:00', NULL, 0.4545, NULL, 1, NULL, NULL, NULL, NULL, NULL),
(1, 1, 1, '16', '2026-03-09 05:40:00', NULL, 0.2658, NULL, 1, NULL, NULL, NULL, NULL, NULL),
(1, 1, 2, '17', '2026-03-09 06:20:00', NULL, 0.7037, NULL, 1, NULL, NULL, NULL, NULL, NULL),
(1, 1, 1, '18', '2026-03-09 07:00:00', NULL, 0.4614, NULL, 1, NULL, NULL, NULL, NULL, NULL),
(1, 1, 2, '19', '2026-03-09 07:40:00', NULL, 0.4663, NULL, 1, NULL, NULL, NULL, NULL, NULL),
(1, 1, 1, '20', '2026-03-09 08:20:00', NULL, 0.8379, NULL, 1, NULL, NULL, NULL, NULL, NULL),
(1, 1, 2, '21', '2026-03-09 09:00:00', NULL, 0.4181, NULL, 1, NULL, NULL, NULL, NULL, NULL),
(1, 1, 1, '22', '2026-03-09 09:40:00', NULL, 0.6602, NULL, 1, NULL, NULL, NULL, NULL, NULL),
(1, 1, 2, '23', '2026-03-09 10:20:00', NULL, 0.9231, NULL, 1, NULL, NULL, NULL, NULL, NULL),
(1, 1, 1, '24', '2026-03-09 11:00:00', NULL, 0.7497, NULL, 1, NULL, NULL, NULL, NULL, NULL),
(1, 1, 2, '25', '2026-03-09 11:40:00', NULL, 0.3447, NULL, 1, NULL, NULL, NULL, NULL, NULL),
(1, 1, 1, '26', '2026-03-09 12:20:00', NULL, 0.7002, NULL, 1, NULL, NULL, NULL, NULL, NULL),
(1, 1, 2, '27', '2026-03-09 13:00:00', NULL, 0.0027, NULL, 1, NULL, NULL, NULL, NULL, NULL),
(1, 1, 1, '28', '2026-03-09 13:40:00', NULL, 0.5555, NULL, 1, NULL, NULL, NULL, NULL, NULL),
(1, 1, 2, '29', '2026-03-09 14:20:00', NULL, 0.4717, NULL, 1, NULL, NULL, NULL, NULL, NULL),
(1, 1, 1, '30', '2026-03-09 15:00:00', NULL, 0.1741, NULL, 1, NULL, NULL, NULL, NULL, NULL),
(1, 1, 2, '31', '2026-03-09 15:40:00', NULL, 0.6965, NULL, 1, NULL, NULL, NULL, NULL, NULL),
(1, 1, 1, '32', '2026-03-09 16:20:00', NULL, 0.0697, NULL, 1, NULL, NULL, NULL, NULL, NULL),
(1, 1, 2, '33', '2026-03-09 17:00:00', NULL, 0.4988, NULL, 1, NULL, NULL, NULL, NULL, NULL),
(1, 1, 1, '34', '2026-03-09 17:40:00', NULL, 0.9417, NULL, 1, NULL, NULL, NULL, NULL, NULL),
(1, 1, 2, '35', '2026-03-09 18:20:00', NULL, 0.0418, NULL, 1, NULL, NULL, NULL, NULL, NULL),
(1, 1, 1, '36', '2026-03-09 19:00:00', NULL, 0.1351, NULL, 1, NULL, NULL, NULL, NULL, NULL),
(1, 1, 2, '37', '2026-03-09 19:40:00', NULL, 0.8384, NULL, 1, NULL, NULL, NULL, NULL, NULL),
(1, 1, 1, '38', '2026-03-09 20:20:00', NULL, 0.3746, NULL, 1, NULL, NULL, NULL, NULL, NULL),
(1, 1, 2, '39', '2026-03-09 21:00:00', NULL, 0.1965, NULL, 1, NULL, NULL, NULL, NULL, NULL),
(1, 1, 1, '0', '2026-03-08 19:00:00', NULL, 0.7483, NULL, 1, NULL, NULL, NULL, 'defect', NULL),
(1, 1, 2, '1', '2026-03-08 19:40:00', NULL, 0.9832, NULL, 1, NULL, NULL, NULL, 'defect', NULL),
(1, 1, 1, '2', '2026-03-08 20:20:00', NULL, 0.4164, NULL, 1, NULL, NULL, NULL, 'ok', NULL),
(1, 1, 2, '3', '2026-03-08 21:00:00', NULL, 0.0918, NULL, 1, NULL, NULL, NULL, 'ok', NULL),
(1, 1, 1, '4', '2026-03-08 21:40:00', NULL, 0.4897, NULL, 1, NULL, NULL, NULL, 'ok', NULL),
(1, 1, 2, '5', '2026-03-08 22:20:00', NULL, 0.4348, NULL, 1, NULL, NULL, NULL, 'ok', NULL),
(1, 1, 1, '6', '2026-03-08 23:00:00', NULL, 0.9611, NULL, 1, NULL, NULL, NULL, 'defect', NULL),
(1, 1, 2, '7', '2026-03-08 23:40:00', NULL, 0.5389, NULL, 1, NULL, NULL, NULL, 'defect', NULL),
(1, 1, 1, '8', '2026-03-09 00:20:00', NULL, 0.7837, NULL, 1, NULL, NULL, NULL, 'defect', NULL),
(1, 1, 2, '9', '2026-03-09 01:00:00', NULL, 0.7049, NULL, 1, NULL, NULL, NULL, 'defect', NULL);

INSERT INTO cells (model_id, stream_id, slice_id, bucket, bin, n, unlabelled, score, outcome, score_squared, score_outcome, log_loss, lag, weight, weight_score, weight_outcome) VALUES
(1, 1, 1, '2026-03-09 01:00:00', 2607, 0, 1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, NULL, NULL, NULL),
(1, 1, 1, '2026-03-09 03:00:00', 2414, 0, 1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, NULL, NULL, NULL),
(1, 1, 2, '2026-03-09 07:00:00', 1246, 0, 1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, NULL, NULL, NULL),
(1, 1, 2, '2026-03-09 09:00:00', 1245, 0, 1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, NULL, NULL, NULL),
(1, 1, 1, '2026-03-09 09:00:00', 1829, 0, 1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, NULL, NULL, NULL),
(1, 1, 1, '2026-03-09 11:00:00', 2216, 0, 1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, NULL, NULL, NULL),
(1, 1, 2, '2026-03-09 11:00:00', 1050, 0, 1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, NULL, NULL, NULL),
(1, 1, 1, '2026-03-09 12:00:00', 2022, 0, 1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, NULL, NULL, NULL),
(1, 1, 1, '2026-03-09 15:00:00', 467, 0, 1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, NULL, NULL, NULL),
(1, 1, 2, '2026-03-09 15:00:00', 2022, 0, 1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, NULL, NULL, NULL),
(1, 1, 1, '2026-03-09 16:00:00', 267, 0, 1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, NULL, NULL, NULL),
(1, 1, 1, '2026-03-09 17:00:00', 2806, 0, 1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, NULL, NULL, NULL),
(1, 1, 2, '2026-03-09 18:00:00', 70, 0, 1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, NULL, NULL, NULL),
(1, 1, 2, '2026-03-09 19:00:00', 2413, 0, 1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, NULL, NULL, NULL),
(1, 1, 2, '2026-03-09 02:00:00', 2807, 0, 1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, NULL, NULL, NULL),
(1, 1, 2, '2026-03-09 03:00:00', 662, 0, 1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, NULL, NULL, NULL),
(1, 1, 1, '2026-03-09 04:00:00', 1828, 0, 1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, NULL, NULL, NULL),
(1, 1, 2, '2026-03-09 05:00:00', 1246, 0, 1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, NULL, NULL, NULL),
(1, 1, 1, '2026-03-09 05:00:00', 663, 0, 1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, NULL, NULL, NULL),
(1, 1, 2, '2026-03-09 06:00:00', 2022, 0, 1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, NULL, NULL, NULL),
(1, 1, 1, '2026-03-09 07:00:00', 1246, 0, 1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, NULL, NULL, NULL),
(1, 1, 1, '2026-03-09 08:00:00', 2413, 0, 1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, NULL, NULL, NULL),
(1, 1, 2, '2026-03-09 10:00:00', 2611, 0, 1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, NULL, NULL, NULL),
(1, 1, 2, '2026-03-09 13:00:00', 48, 0, 1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, NULL, NULL, NULL),
(1, 1, 1, '2026-03-09 13:00:00', 1633, 0, 1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, NULL, NULL, NULL),
(1, 1, 2, '2026-03-09 14:00:00', 1439, 0, 1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, NULL, NULL, NULL),
(1, 1, 2, '2026-03-09 17:00:00', 1439, 0, 1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, NULL, NULL, NULL),
(1, 1, 1, '2026-03-09 19:00:00', 465, 0, 1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, NULL, NULL, NULL),
(1, 1, 1, '2026-03-09 20:00:00', 1051, 0, 1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, NULL, NULL, NULL),
(1, 1, 2, '2026-03-09 21:00:00', 468, 0, 1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, NULL, NULL, NULL),
(1, 1, 1, '2026-03-08 20:00:00', 1245, 0, 1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, NULL, NULL, NULL),
(1, 1, 1, '2026-03-08 21:00:00', 1439, 0, 1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, NULL, NULL, NULL),
(1, 1, 1, '2026-03-08 23:00:00', 2809, 0, 1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, NULL, NULL, NULL),
(1, 1, 1, '2026-03-09 00:00:00', 2218, 0, 1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, NULL, NULL, NULL),
(1, 1, 1, '2026-03-08 19:00:00', 2216, 0, 1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, NULL, NULL, NULL),
(1, 1, 2, '2026-03-08 19:00:00', 2816, 0, 1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, NULL, NULL, NULL),
(1, 1, 2, '2026-03-08 21:00:00', 269, 0, 1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, NULL, NULL, NULL),
(1, 1, 2, '2026-03-08 22:00:00', 1245, 0, 1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, NULL, NULL, NULL),
(1, 1, 2, '2026-03-08 23:00:00', 1633, 0, 1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, NULL, NULL, NULL),
(1, 1, 2, '2026-03-09 01:00:00', 2022, 0, 1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, NULL, NULL, NULL);

INSERT INTO parked_labels (model_id, source, file, row, sample_id, observed_at, labelled_at, positives, label) VALUES
(1, 'verdicts', '{folder}/l/a.csv', 0, '0.0', NULL, '2026-03-10 11:30:00', NULL, 'defect'),
(1, 'verdicts', '{folder}/l/a.csv', 1, '1.0', NULL, '2026-03-10 11:30:00', NULL, 'defect'),
(1, 'verdicts', '{folder}/l/a.csv', 2, '2.0', NULL, '2026-03-10 11:30:00', NULL, 'ok'),
(1, 'verdicts', '{folder}/l/a.csv', 3, '3.0', NULL, '2026-03-10 11:30:00', NULL, 'ok'),
(1, 'verdicts', '{folder}/l/a.csv', 4, '4.0', NULL, '2026-03-10 11:30:00', NULL, 'ok'),
(1, 'verdicts', '{folder}/l/a.csv', 5, '5.0', NULL, '2026-03-10 11:30:00', NULL, 'ok'),
(1, 'verdicts', '{folder}/l/a.csv', 6, '6.0', NULL, '2026-03-10 11:30:00', NULL, 'defect'),
(1, 'verdicts', '{folder}/l/a.csv', 7, '7.0', NULL, '2026-03-10 11:30:00', NULL, 'defect'),
(1, 'verdicts', '{folder}/l/a.csv', 8, '8.0', NULL, '2026-03-10 11:30:00', NULL, 'defect'),
(1, 'verdicts', '{folder}/l/a.csv', 9, '9.0', NULL, '2026-03-10 11:30:00', NULL, 'defect'),
(1, 'verdicts', '{folder}/l/a.csv', 10, '10.0', NULL, '2026-03-10 11:30:00', NULL, 'defect'),
(1, 'verdicts', '{folder}/l/a.csv', 11, '11.0', NULL, '2026-03-10 11:30:00', NULL, 'defect'),
(1, 'verdicts', '{folder}/l/a.csv', 12, '12.0', NULL, '2026-03-10 11:30:00', NULL, 'ok'),
(1, 'verdicts', '{folder}/l/a.csv', 13, '13.0', NULL, '2026-03-10 11:30:00', NULL, 'ok'),
(1, 'verdicts', '{folder}/l/a.csv', 14, '14.0', NULL, '2026-03-10 11:30:00', NULL, 'defect'),
(1, 'verdicts', '{folder}/l/a.csv', 15, '15.0', NULL, '2026-03-10 11:30:00', NULL, 'defect'),
(1, 'verdicts', '{folder}/l/a.csv', 16, '16.0', NULL, '2026-03-10 11:30:00', NULL, 'ok'),
(1, 'verdicts', '{folder}/l/a.csv', 17, '17.0', NULL, '2026-03-10 11:30:00', NULL, 'defect'),
(1, 'verdicts', '{folder}/l/a.csv', 18, '18.0', NULL, '2026-03-10 11:30:00', NULL, 'ok'),
(1, 'verdicts', '{folder}/l/a.csv', 19, '19.0', NULL, '2026-03-10 11:30:00', NULL, 'defect'),
(1, 'verdicts', '{folder}/l/a.csv', 20, '20.0', NULL, '2026-03-10 11:30:00', NULL, 'defect'),
(1, 'verdicts', '{folder}/l/a.csv', 21, '21.0', NULL, '2026-03-10 11:30:00', NULL, 'defect'),
(1, 'verdicts', '{folder}/l/a.csv', 22, '22.0', NULL, '2026-03-10 11:30:00', NULL, 'defect'),
(1, 'verdicts', '{folder}/l/a.csv', 23, '23.0', NULL, '2026-03-10 11:30:00', NULL, 'defect'),
(1, 'verdicts', '{folder}/l/a.csv', 24, '24.0', NULL, '2026-03-10 11:30:00', NULL, 'defect'),
(1, 'verdicts', '{folder}/l/a.csv', 25, '25.0', NULL, '2026-03-10 11:30:00', NULL, 'ok'),
(1, 'verdicts', '{folder}/l/a.csv', 26, '26.0', NULL, '2026-03-10 11:30:00', NULL, 'defect'),
(1, 'verdicts', '{folder}/l/a.csv', 27, '27.0', NULL, '2026-03-10 11:30:00', NULL, 'ok'),
(1, 'verdicts', '{folder}/l/a.csv', 28, '28.0', NULL, '2026-03-10 11:30:00', NULL, 'ok'),
(1, 'verdicts', '{folder}/l/a.csv', 29, '29.0', NULL, '2026-03-10 11:30:00', NULL, 'defect'),
(1, 'verdicts', '{folder}/l/a.csv', 30, '30.0', NULL, '2026-03-10 11:30:00', NULL, 'ok'),
(1, 'verdicts', '{folder}/l/a.csv', 31, '31.0', NULL, '2026-03-10 11:30:00', NULL, 'defect'),
(1, 'verdicts', '{folder}/l/a.csv', 32, '32.0', NULL, '2026-03-10 11:30:00', NULL, 'ok'),
(1, 'verdicts', '{folder}/l/a.csv', 33, '33.0', NULL, '2026-03-10 11:30:00', NULL, 'ok'),
(1, 'verdicts', '{folder}/l/a.csv', 34, '34.0', NULL, '2026-03-10 11:30:00', NULL, 'defect'),
(1, 'verdicts', '{folder}/l/a.csv', 35, '35.0', NULL, '2026-03-10 11:30:00', NULL, 'ok'),
(1, 'verdicts', '{folder}/l/a.csv', 36, '36.0', NULL, '2026-03-10 11:30:00', NULL, 'ok'),
(1, 'verdicts', '{folder}/l/a.csv', 37, '37.0', NULL, '2026-03-10 11:30:00', NULL, 'defect'),
(1, 'verdicts', '{folder}/l/a.csv', 38, '38.0', NULL, '2026-03-10 11:30:00', NULL, 'ok'),
(1, 'verdicts', '{folder}/l/a.csv', 39, '39.0', NULL, '2026-03-10 11:30:00', NULL, 'ok'),
(1, 'verdicts', '{folder}/l/a.csv', 40, '40.0', NULL, '2026-03-10 11:30:00', NULL, 'ok'),
(1, 'verdicts', '{folder}/l/a.csv', 41, '41.0', NULL, '2026-03-10 11:30:00', NULL, 'defect'),
(1, 'verdicts', '{folder}/l/a.csv', 42, '42.0', NULL, '2026-03-10 11:30:00', NULL, 'ok'),
(1, 'verdicts', '{folder}/l/a.csv', 43, '43.0', NULL, '2026-03-10 11:30:00', NULL, 'ok'),
(1, 'verdicts', '{folder}/l/a.csv', 44, '44.0', NULL, '2026-03-10 11:30:00', NULL, 'ok'),
(1, 'verdicts', '{folder}/l/a.csv', 45, '45.0', NULL, '2026-03-10 11:30:00', NULL, 'ok'),
(1, 'verdicts', '{folder}/l/a.csv', 46, '46.0', NULL, '2026-03-10 11:30:00', NULL, 'defect'),
(1, 'verdicts', '{folder}/l/a.csv', 47, '47.0', NULL, '2026-03-10 11:30:00', NULL, 'ok'),
(1, 'verdicts', '{folder}/l/a.csv', 48, '48.0', NULL, '2026-03-10 11:30:00', NULL, 'ok'),
(1, 'verdicts', '{folder}/l/a.csv', 49, '49.0', NULL, '2026-03-10 11:30:00', NULL, 'defect'),
(1, 'verdicts', '{folder}/l/a.csv', 50, '50.0', NULL, '2026-03-10 11:30:00', NULL, 'defect'),
(1, 'verdicts', '{folder}/l/a.csv', 51, '51.0', NULL, '2026-03-10 11:30:00', NULL, 'ok'),
(1, 'verdicts', '{folder}/l/a.csv', 52, '52.0', NULL, '2026-03-10 11:30:00', NULL, 'defect'),
(1, 'verdicts', '{folder}/l/a.csv', 53, '53.0', NULL, '2026-03-10 11:30:00', NULL, 'defect'),
(1, 'verdicts', '{folder}/l/a.csv', 54, '54.0', NULL, '2026-03-10 11:30:00', NULL, 'ok'),
(1, 'verdicts', '{folder}/l/a.csv', 55, '55.0', NULL, '2026-03-10 11:30:00', NULL, 'ok'),
(1, 'verdicts', '{folder}/l/a.csv', 56, '56.0', NULL, '2026-03-10 11:30:00', NULL, 'defect'),
(1, 'verdicts', '{folder}/l/a.csv', 57, '57.0', NULL, '2026-03-10 11:30:00', NULL, 'ok'),
(1, 'verdicts', '{folder}/l/a.csv', 58, '58.0', NULL, '2026-03-10 11:30:00', NULL, 'defect'),
(1, 'verdicts', '{folder}/l/a.csv', 59, '59.0', NULL, '2026-03-10 11:30:00', NULL, 'defect');

INSERT INTO cursors (model_id, source, item, fingerprint, read_at) VALUES
(1, 'predictions', '{folder}/p/a.csv', '1345:1795974991990278915', '2026-03-10 12:00:00'),
(1, 'verdicts', '{folder}/l/a.csv', '1822:1795974991990340377', '2026-03-10 12:00:00'),
(1, 'verdicts', '{folder}/l/b.csv', '302:1795974991990383351', '2026-03-10 12:00:00');

INSERT INTO pulls (model, source, pulled_at, files, rows, new, labelled, duplicates, corrected, quarantined, problem) VALUES
('m', 'predictions', '2026-03-10 12:00:00', 1, 40, 40, 0, 0, 0, 0, NULL),
('m', 'verdicts', '2026-03-10 12:00:00', 2, 70, 0, 0, 0, 0, 0, NULL);

INSERT INTO alerts (model, version, rule, slice, severity, state, health, reason, value, since, fired_at, last_true_at, resolved_at, evaluated_at, onset, last_action_at) VALUES
('m', '', 'samples-absent', 'all', 'ticket', 'firing', 'ok', 'no samples for 15h1m (last at 2026-03-09 21:00 UTC), longer than 6h since 2026-03-10 12:00 UTC', 54060.0, '2026-03-10 12:00:00', '2026-03-10 12:00:00', '2026-03-10 12:01:00', NULL, '2026-03-10 12:01:00', '2026-03-09 21:00:00', NULL),
('m', '', 'labels-absent', 'all', 'ticket', 'inactive', 'unknown', 'no labels were seen yet, waiting since 2026-03-10 12:00 UTC', NULL, '2026-03-10 12:00:00', NULL, NULL, NULL, '2026-03-10 12:01:00', NULL, NULL),
('m', '', 'coverage-low', 'all', 'info', 'pending', 'ok', 'label_coverage 0 is below 0.01 over 7d (0 samples) since 2026-03-10 12:00 UTC; fires after 6h', 0.0, '2026-03-10 12:00:00', NULL, '2026-03-10 12:01:00', NULL, '2026-03-10 12:01:00', NULL, NULL);

INSERT INTO alert_events (changed_at, model, version, rule, slice, severity, state, reason, onset) VALUES
('2026-03-10 12:00:00', 'm', '', 'samples-absent', 'all', 'ticket', 'firing', 'no samples for 15h (last at 2026-03-09 21:00 UTC), longer than 6h since 2026-03-10 12:00 UTC', '2026-03-09 21:00:00'),
('2026-03-10 12:00:00', 'm', '', 'coverage-low', 'all', 'info', 'pending', 'label_coverage 0 is below 0.01 over 7d (0 samples) since 2026-03-10 12:00 UTC; fires after 6h', NULL);

INSERT INTO evidence_reach (model, rule, basis, until) VALUES
('m', 'calibration-drift', 'bank 2, odds 1.1, probability None, scores, 1h', '2026-03-10 12:00:00');

INSERT INTO stages (model, stage, succeeded_at) VALUES
('m', 'pull', '2026-03-10 12:01:00'),
('m', 'measure', '2026-03-10 12:00:00'),
('m', 'weigh', '2026-03-10 12:01:00'),
('m', 'judge', '2026-03-10 12:01:00'),
('m', 'recalibrate', '2026-03-10 12:01:00'),
('m', 'fold', '2026-03-10 12:01:00'),
('m', 'delays', '2026-03-10 12:01:00');
