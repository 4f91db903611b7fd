"""Pure functions over text, Chinese and English."""
