"""Knowledge graphs and documents: read, checked, sampled."""
