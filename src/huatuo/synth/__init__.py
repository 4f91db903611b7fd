"""From knowledge to question-answer pairs in one format."""
