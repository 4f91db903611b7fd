"""From documents to clean passages."""
