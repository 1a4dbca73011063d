"""Training: the two steps, the engine that moves them, the one loop."""
