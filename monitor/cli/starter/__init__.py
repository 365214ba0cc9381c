"""What `calwatch init` writes: a commented configuration, rules of one's own, and a compose file."""
