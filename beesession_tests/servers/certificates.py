"""A self-made certificate, for servers that are to speak TLS."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from beesession_tests.servers.base import HOST
from beesession_tests.skips import require_program


@dataclass(frozen=True)
class Certificate:
    """A certificate and its private key, both as PEM files.

    :ivar cert: the certificate; it is its own authority, so this is also the file that clients trust
    :ivar key: the private key, readable by its owner only
    """

    cert: Path
    key: Path


def certificate(directory: Path) -> Certificate:
    """Make a certificate for ``localhost`` and this machine's loopback address, good for two days.

    Skips the test when openssl is not installed (with ``CI=true``: fails).

    :param directory: where the two files are put, as ``cert.pem`` and ``key.pem``
    """
    openssl = require_program("openssl", "openssl")
    made = Certificate(directory / "cert.pem", directory / "key.pem")
    subject = ["-subj", "/CN=localhost", "-addext", f"subjectAltName=DNS:localhost,IP:{HOST}"]
    files = ["-keyout", str(made.key), "-out", str(made.cert)]
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject, *files],
        check=True,
        capture_output=True,
    )
    return made
