"""What makes calwatch go: one cycle and its stages, the daemon and the backtest that tick it, and the check beforehand."""
