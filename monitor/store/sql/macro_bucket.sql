CREATE OR REPLACE TEMP MACRO bucket_of(moment, seconds, folded_until) AS
    CASE WHEN moment < folded_until THEN date_trunc('day', moment)
         ELSE make_timestamp(epoch_us(moment) // (seconds::BIGINT * 1000000) * (seconds::BIGINT * 1000000)) END;
