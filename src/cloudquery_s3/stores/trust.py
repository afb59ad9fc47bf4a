"""Which certificate authorities are trusted: the user's file, or those of the system."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.httpsession import DEFAULT_CA_BUNDLE
from urllib3.util.ssl_ import create_urllib3_context

from cloudquery_s3.errors import SpecError

if TYPE_CHECKING:
    from cloudquery_s3.stores.shared_configuration import SharedConfiguration


def trusting_context(aws: SharedConfiguration) -> ssl.SSLContext:
    """Return a TLS context that verifies certificates and the names in them.

    It trusts the authorities in the file that AWS_CA_BUNDLE or the profile's `ca_bundle` names, and no others; else
    those of the system (as SSL_CERT_FILE and SSL_CERT_DIR say) with those of REQUESTS_CA_BUNDLE; where the system has
    none, those that botocore brings.

    Raises:
        SpecError: a file that was named is missing, or holds no certificate; names the variable.

    Source: the AWS SDK for Go, and Go's crypto/x509; REQUESTS_CA_BUNDLE is botocore's.
    """
    context = create_urllib3_context()
    own = aws.get_config_variable("ca_bundle")
    if own:
        name = "AWS_CA_BUNDLE" if os.environ.get("AWS_CA_BUNDLE") else "ca_bundle"
        _trust(context, Path(own), name)
        return context
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        if file := os.environ.get(name):
            _trust(context, Path(file), name)
    context.load_default_certs()
    if not _system_has_authorities():
        context.load_verify_locations(DEFAULT_CA_BUNDLE)
    return context


def careless_context() -> ssl.SSLContext:
    """Return a TLS context that accepts every certificate."""
    return create_urllib3_context(cert_reqs=ssl.CERT_NONE)


def _trust(context: ssl.SSLContext, place: Path, name: str) -> None:
    try:
        if place.is_dir():
            context.load_verify_locations(capath=place)
        else:
            context.load_verify_locations(cafile=place)
    except ssl.SSLError:
        raise SpecError(f"{place} holds no certificate in PEM form; correct or unset it", field=name) from None
    except OSError as error:
        raise SpecError(f"{place} cannot be read ({error.strerror}); correct or unset it", field=name) from None


def _system_has_authorities() -> bool:
    paths = ssl.get_default_verify_paths()  # they are None where the file or folder does not exist
    folder = Path(paths.capath) if paths.capath else None
    return bool(paths.cafile) or bool(folder and any(folder.iterdir())) or os.name == "nt"
