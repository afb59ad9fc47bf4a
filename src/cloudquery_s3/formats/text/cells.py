"""The kernels that other formats share: one column in, the text of its cells out.

All take a whole Arrow array (a slice is fine) and return a string array of its length, NULL where the input is NULL.
`inet_text` also returns how many cells it could not parse.
"""

from __future__ import annotations

from cloudquery_s3.formats.text.network import inet_text
from cloudquery_s3.formats.text.octets import base64_text, mac_text, uuid_text
from cloudquery_s3.formats.text.spans_of_time import duration_text, interval_text

__all__ = ["base64_text", "duration_text", "inet_text", "interval_text", "mac_text", "uuid_text"]
