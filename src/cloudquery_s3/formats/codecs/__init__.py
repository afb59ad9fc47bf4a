"""Compression around a text format."""
