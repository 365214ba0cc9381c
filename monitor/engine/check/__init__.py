"""``calwatch check``: all that can be said of a configuration and its sources before anything is stored."""
