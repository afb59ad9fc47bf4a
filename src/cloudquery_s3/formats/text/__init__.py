"""Arrow columns rendered as text, whole columns at a time.

A module per family of types, all of one shape: an Arrow array in, a string array of the same length out, NULL where the
input is NULL. Arrays may be slices, and bytes beneath a NULL may be anything.

Source: docs/formats.md, "What a column becomes" and "Text, to the byte", where a module names nothing else.
"""
