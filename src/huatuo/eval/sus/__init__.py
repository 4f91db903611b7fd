"""Rating by people, blind and mixed: SUS and other scales, from the sheet to the page."""
