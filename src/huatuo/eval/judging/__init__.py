"""Judged answers: two compared, or one scored by a rubric, by models and by experts."""
