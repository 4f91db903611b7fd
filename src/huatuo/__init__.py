"""huatuo: from a medical knowledge graph and documents to a measured, traceable language model."""

__version__ = "0.1.0"
