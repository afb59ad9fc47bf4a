"""Receive: the process, the RPCs, the bytes on the wire."""
