"""The commands for people: one module each, and beside them what `check` is made of.

`serve` is listed here but runs from `cli`, without any of this: the CLI that starts it waits for its answer.
"""
