"""What the Ingress shows to clients that speak TLS: the certificate of the host that they name (SNI).

Who names a host that no Ingress has a certificate for is refused by the alert `unrecognized_name`, rather than be shown another's.
"""

from __future__ import annotations

import os
import ssl

from callboard.models.ingress import matches_host
from callboard.models.messages.ingress import Certificate


class BadCertificate(Exception):
    """A Secret that no server can use; the text says why, and has nothing of its content."""


class Certificates:
    """Those in force. `context` is for new connections; those that stand keep theirs."""

    def __init__(self) -> None:
        self._hosts: dict[str, ssl.SSLContext] = {}
        self.context = self._entrance(None)

    def serve(self, certificates: tuple[Certificate, ...]) -> dict[str, str]:
        """Use these from now on; returns why, by the Secret's name, for those that can't be."""
        hosts: dict[str, ssl.SSLContext] = {}
        problems: dict[str, str] = {}
        for certificate in certificates:
            try:
                context = _context(certificate)
            except BadCertificate as problem:
                problems[certificate.secret] = str(problem)
                continue
            for host in certificate.hosts:
                hosts.setdefault(host, context)
        self._hosts = hosts
        self.context = self._entrance(hosts.get(""))
        return problems

    def _entrance(self, default: ssl.SSLContext | None) -> ssl.SSLContext:
        """The context in which a handshake begins, before its host is known."""
        context = default or ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.sni_callback = self._chosen
        return context

    def _chosen(self, handshake: ssl.SSLObject | ssl.SSLSocket, name: str | None, context: ssl.SSLContext) -> int | None:
        if not name:
            return None
        host = name.lower()
        found = self._hosts.get(host) or next((one for pattern, one in self._hosts.items() if matches_host(pattern, host)), None)
        found = found or self._hosts.get("")
        if found is None:
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        handshake.context = found
        return None


def _context(certificate: Certificate) -> ssl.SSLContext:
    """Raises `BadCertificate`. The key is never on a disk: ssl reads it from a file in memory."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    descriptor = os.memfd_create("certificate")
    try:
        os.write(descriptor, certificate.chain + b"\n" + certificate.key)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}", password=_no_password)
    except (ssl.SSLError, ValueError, OSError) as error:
        reason = getattr(error, "reason", None) or "it is encrypted, or no PEM"
        raise BadCertificate(f"its tls.crt and tls.key are no certificate with its key: {str(reason).replace('_', ' ').lower()}") from None
    finally:
        os.close(descriptor)
    return context


def _no_password() -> str:
    raise ValueError("the key is encrypted")
