"""Talking to a model and nothing else."""
