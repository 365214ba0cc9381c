-- p is clipped to [1e-12, 1 - 1e-12], so that one certain mistake costs 27.6 nats and not infinity
CREATE OR REPLACE TEMP MACRO log_loss(p, n, positives) AS
    -(positives * ln(greatest(p, 1e-12)) + (n - positives) * ln(greatest(1 - p, 1e-12)));
