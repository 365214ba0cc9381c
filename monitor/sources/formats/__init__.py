"""What files hold, as SQL relations with calwatch's column names: Parquet, CSV, JSON Lines."""
