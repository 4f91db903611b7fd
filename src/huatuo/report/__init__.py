"""Tables, figures and one page."""
