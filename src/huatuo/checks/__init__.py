"""Pure medical functions: text and facts in, findings out. One set of rules for every room."""
