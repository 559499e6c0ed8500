"""Which certificate a client is shown: by the name it says, by wildcard, the default one, after a change. Handshakes in memory."""

from __future__ import annotations

import ssl
import subprocess

import pytest

from callboard.models.messages.ingress import Certificate
from callboard.runtime.ingress.certificates import Certificates

pytestmark = pytest.mark.needs("openssl")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[bytes, bytes]]:
    """Chain and key for each of these names."""
    folder = tmp_path_factory.mktemp("certificates")
    found = {}
    for name in ("shop.example", "other.example", "wild.example", "default.example"):
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        about = ["-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.crt"]
        subprocess.run([*command, *about], cwd=folder, check=True, capture_output=True)
        found[name] = ((folder / f"{name}.crt").read_bytes(), (folder / f"{name}.key").read_bytes())
    return found


class Client:
    """A client of TLS whose bytes go to the server and back by hand."""

    def __init__(self, certificates: Certificates, host: str | None) -> None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        here_in, here_out, there_in, there_out = (ssl.MemoryBIO() for _ in range(4))
        self.client = context.wrap_bio(here_in, here_out, server_hostname=host)
        self.server = certificates.context.wrap_bio(there_in, there_out, server_side=True)
        self._ways = ((here_out, there_in), (there_out, here_in))
        self._shake()

    def _carry(self) -> None:
        for source, target in self._ways:
            if data := source.read():
                target.write(data)

    def _shake(self) -> None:
        done = {"client": False, "server": False}
        while not all(done.values()):
            for name, side in (("client", self.client), ("server", self.server)):
                try:
                    side.do_handshake()
                    done[name] = True
                except ssl.SSLWantReadError:
                    pass
                except ssl.SSLError:
                    if name == "client":
                        raise  # what it has been told is what counts
                    done[name] = True
                finally:
                    self._carry()

    def says(self, text: bytes) -> bytes:
        """What the server hears of it."""
        self.client.write(text)
        self._carry()
        return self.server.read(1000)

    @property
    def shown(self) -> bytes:
        """The certificate that was shown, as DER."""
        found = self.client.getpeercert(binary_form=True)
        assert found is not None
        return found


def _der(chain: bytes) -> bytes:
    return ssl.PEM_cert_to_DER_cert(chain.decode())


def _certificates(made: dict[str, tuple[bytes, bytes]], *uses: tuple[str, tuple[str, ...]]) -> Certificates:
    certificates = Certificates()
    assert certificates.serve(tuple(Certificate(f"default/{name}", hosts, *made[name]) for name, hosts in uses)) == {}
    return certificates


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("shop.example", "shop.example"),
        ("SHOP.example", "shop.example"),
        ("other.example", "other.example"),
        ("a.wild.example", "wild.example"),
        ("exact.wild.example", "other.example"),
        ("a.b.wild.example", "default.example"),
        ("wild.example", "default.example"),
        ("nobody.example", "default.example"),
        (None, "default.example"),
    ],
)
def test_the_certificate_is_that_of_the_host_that_is_named(made: dict[str, tuple[bytes, bytes]], host: str | None, shown: str) -> None:
    certificates = _certificates(
        made,
        ("wild.example", ("*.wild.example",)),
        ("shop.example", ("shop.example",)),
        ("other.example", ("other.example", "exact.wild.example")),
        ("default.example", ("",)),
    )
    assert Client(certificates, host).shown == _der(made[shown][0])


def test_who_names_a_host_without_a_certificate_is_refused_rather_than_shown_anothers(made: dict[str, tuple[bytes, bytes]]) -> None:
    certificates = _certificates(made, ("shop.example", ("shop.example",)))
    with pytest.raises(ssl.SSLError, match="(?i)unrecognized.name"):
        Client(certificates, "other.example")


def test_a_changed_secret_is_shown_to_new_connections_while_old_ones_go_on(made: dict[str, tuple[bytes, bytes]]) -> None:
    certificates = _certificates(made, ("shop.example", ("shop.example",)))
    old = Client(certificates, "shop.example")
    chain, key = made["other.example"]
    assert certificates.serve((Certificate("default/shop.example", ("shop.example",), chain, key),)) == {}
    new = Client(certificates, "shop.example")
    assert (old.shown, new.shown) == (_der(made["shop.example"][0]), _der(chain))
    assert (old.says(b"still here"), new.says(b"here too")) == (b"still here", b"here too")


def test_a_secret_that_cannot_be_used_costs_its_own_hosts_only(made: dict[str, tuple[bytes, bytes]]) -> None:
    certificates = Certificates()
    chain, key = made["shop.example"]
    problems = certificates.serve(
        (
            Certificate("default/mixed", ("mixed.example",), chain, made["other.example"][1]),
            Certificate("default/good", ("shop.example",), chain, key),
        )
    )
    assert list(problems) == ["default/mixed"]
    assert "no certificate with its key" in problems["default/mixed"]
    assert Client(certificates, "shop.example").shown == _der(chain)
    with pytest.raises(ssl.SSLError):
        Client(certificates, "mixed.example")
