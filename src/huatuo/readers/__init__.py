"""A file becomes blocks of text with positions."""
