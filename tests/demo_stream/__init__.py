"""What makes the Parquet files of the bundled demo; not shipped."""
