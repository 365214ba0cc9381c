"""What calwatch does beside refits: it calls webhooks and runs commands, as rules and finished jobs ask."""
