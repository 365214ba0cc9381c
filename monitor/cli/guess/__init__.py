"""`calwatch init --from`: what a person's own file most likely means, each guess with its reason, as a first calwatch.toml."""
