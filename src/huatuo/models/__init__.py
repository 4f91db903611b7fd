"""Base models, their chat formats and tokenizers."""
