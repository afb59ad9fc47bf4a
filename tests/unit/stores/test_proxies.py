"""Which requests go through a proxy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudquery_s3.stores.proxies import proxy_of, without_password

PROXY = "http://proxy.corp:3128"
ALL = {"HTTP_PROXY": PROXY, "HTTPS_PROXY": PROXY}


@pytest.mark.parametrize(
    ("no_proxy", "host", "goes_straight"),
    [
        ("*", "s3.amazonaws.com", True),
        ("amazonaws.com", "s3.amazonaws.com", True),
        ("amazonaws.com", "amazonaws.com", True),
        ("amazonaws.com", "notamazonaws.com", False),
        (".amazonaws.com", "s3.amazonaws.com", True),
        (".amazonaws.com", "amazonaws.com", False),
        ("*.amazonaws.com", "S3.AmazonAWS.com", True),
        ("other, S3.amazonaws.com ,", "s3.amazonaws.com", True),
        ("s3.amazonaws.com:443", "s3.amazonaws.com", True),
        ("s3.amazonaws.com:9000", "s3.amazonaws.com", False),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.1/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.0.0.0/8", "host-of-ten", False),
        ("nonsense/8", "10.1.2.3", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3:443", "10.1.2.3", True),
        ("fd00::/8", "[fd00::1]", True),
        ("fd00::1", "[fd00::1]", True),
        ("[fd00::1]:443", "[fd00::1]", True),
        ("", "s3.amazonaws.com", False),
    ],
)
def test_no_proxy_is_read_as_go_reads_it(no_proxy: str, host: str, *, goes_straight: bool) -> None:
    """Hosts, domains, addresses, ranges and ports in NO_PROXY except what they name, and nothing else."""
    proxy = proxy_of(f"https://{host}/bucket", {**ALL, "NO_PROXY": no_proxy})
    assert proxy == (None if goes_straight else PROXY)


@given(st.integers(0, 2**24 - 1), st.sampled_from(["http", "https"]), st.integers(1, 65535))
def test_loopback_is_never_reached_by_a_proxy(address: int, scheme: str, port: int) -> None:
    """No address of loopback, under whatever scheme and port, goes through a proxy."""
    host = f"127.{address >> 16}.{address >> 8 & 255}.{address & 255}"
    assert proxy_of(f"{scheme}://{host}:{port}", ALL) is None


@pytest.mark.parametrize("host", ["localhost", "bucket.localhost", "[::1]", "LOCALHOST", "localhost."])
def test_names_of_loopback_are_loopback(host: str) -> None:
    """Neither is localhost, nor a name below it."""
    assert proxy_of(f"http://{host}:9000", ALL) is None


@pytest.mark.parametrize(
    ("environ", "url", "proxy"),
    [
        ({"http_proxy": PROXY}, "http://s3.test", PROXY),
        ({"http_proxy": PROXY}, "https://s3.test", None),
        ({"HTTPS_PROXY": "proxy.corp:3128"}, "https://s3.test", PROXY),
        ({"HTTPS_PROXY": "socks5://proxy.corp:1080"}, "https://s3.test", "socks5://proxy.corp:1080"),
        ({"HTTPS_PROXY": "", "https_proxy": PROXY}, "https://s3.test", PROXY),
        ({"ALL_PROXY": PROXY}, "https://s3.test", None),
        ({}, "https://s3.test", None),
    ],
)
def test_each_scheme_has_its_proxy(environ: dict[str, str], url: str, proxy: str | None) -> None:
    """HTTP_PROXY leads to http, HTTPS_PROXY to https; empty is unset; a proxy's own scheme may be left out."""
    assert proxy_of(url, environ) == proxy


def test_a_proxys_password_is_not_shown() -> None:
    """What stands before the @ of a proxy's URL is left out of messages."""
    assert without_password("http://user:pass@proxy.corp:3128") == PROXY
    assert without_password(PROXY) == PROXY
