"""One-stage training: priority order, packing, one loop."""
