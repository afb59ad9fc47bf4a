"""What a million rows cost: end to end over gRPC, and each stage alone, beside the bare library calls.

Run by `make bench`, or `python -m benchmarks --help`.
"""
