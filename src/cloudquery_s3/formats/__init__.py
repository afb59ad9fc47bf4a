"""File formats: how rows become bytes."""
