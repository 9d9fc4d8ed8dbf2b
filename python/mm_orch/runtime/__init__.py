"""The runtime: ModelManager and its errors."""
