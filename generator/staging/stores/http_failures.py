"""Failures of HTTP connections, and what they mean for the user."""

from __future__ import annotations

import ssl

import requests
import urllib3

from generator.staging.network.guard import find_cause

BROKEN_CONNECTIONS = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    urllib3.exceptions.HTTPError,
    OSError,
)
"""What requests and urllib3 raise for a connection that failed or was cut."""
_OUT_OF_TIME = (9, 10)
"""X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED of OpenSSL."""


def describe_failure(error: BaseException) -> str:
    """Describe a failure without the library's message, which repeats the URL and its secrets."""
    text = repr(error)
    for words, meaning in (
        ("timed out", "no answer in time"),
        ("Name or service not known", "no such host"),
        ("Temporary failure in name resolution", "host name lookup failed"),
        ("No address associated", "no such host"),
        ("Connection refused", "connection refused"),
        ("No route to host", "no route to host"),
        ("Network is unreachable", "no route to host"),
        ("DecodeError", "the content does not match its Content-Encoding"),
        ("SSL", "the secure connection was cut"),
    ):
        if words in text:
            return meaning
    return "the connection was cut"


def describe_certificate_problem(error: BaseException) -> str | None:
    """Describe why a certificate was rejected, None for other errors."""
    found = find_cause(error, ssl.SSLCertVerificationError)
    if found is None:
        return None
    why = found.verify_message or "it is not for this host"
    advice = "give your company's certificates with --ca-bundle"
    if found.verify_code in _OUT_OF_TIME:
        advice = "its operator has to renew it, or this machine's clock is wrong"
    return f"certificate verification failed ({why}); {advice}"
