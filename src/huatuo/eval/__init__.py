"""Ask once, score many."""
