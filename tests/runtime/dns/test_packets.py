"""Packets of DNS, written and read by dnslib as a client does it."""

from __future__ import annotations

from typing import Any

import pytest
from dnslib import EDNS0, QTYPE, RCODE, DNSHeader, DNSQuestion, DNSRecord
from hypothesis import given
from hypothesis import strategies as st

from callboard.models.dns import Record, Zone
from callboard.runtime.dns.packets import answered

WEB = "web.default.svc.cluster.local"


def zone(*records: Record) -> Zone:
    made = Zone("cluster.local", "10.96.0.10")
    made.serve_namespaces(["default"])
    made.put("web", (Record(WEB, "A", "10.96.0.7"), Record(f"_http._tcp.{WEB}", "SRV", WEB, 80, 100), *records))
    return made


def asked(name: str, kind: str = "A", of: Zone | None = None, edns: int = 0, **how: Any) -> Any:
    query = DNSRecord.question(name, kind)
    if edns:
        query.add_ar(EDNS0(udp_len=edns))
    data = answered(bytes(query.pack()), of or zone(), **how)
    assert data is not None
    reply = DNSRecord.parse(data)
    assert reply.header.id == query.header.id
    assert reply.header.qr == 1
    return reply


def many(count: int) -> tuple[Record, ...]:
    return tuple(Record("db.default.svc.cluster.local", "A", f"10.244.{number // 250}.{number % 250 + 1}") for number in range(count))


def test_an_address_is_answered_with_authority_and_a_short_life() -> None:
    reply = asked(WEB)
    assert (reply.header.rcode, reply.header.aa, reply.header.tc) == (RCODE.NOERROR, 1, 0)
    assert [(str(one.rname), str(one.rdata)) for one in reply.rr] == [(f"{WEB}.", "10.96.0.7")]
    assert all(5 <= one.ttl <= 30 for one in reply.rr)


def test_a_name_comes_back_in_the_letters_in_which_it_was_asked() -> None:
    reply = asked("WeB.default.SVC.cluster.local")
    assert str(reply.rr[0].rname) == "WeB.default.SVC.cluster.local."
    assert str(reply.q.qname) == "WeB.default.SVC.cluster.local."


def test_every_type_of_record_can_be_read_by_a_client() -> None:
    of = zone(Record("x.default.svc.cluster.local", "CNAME", WEB), Record("y.default.svc.cluster.local", "AAAA", "fd00::1"))
    of.put("ptr", (Record("7.0.96.10.in-addr.arpa", "PTR", WEB),))
    assert str(asked(f"_http._tcp.{WEB}", "SRV", of).rr[0].rdata) == f"0 100 80 {WEB}."
    assert [str(one.rdata) for one in asked(f"_http._tcp.{WEB}", "SRV", of).ar] == ["10.96.0.7"]
    assert [str(one.rdata) for one in asked("x.default.svc.cluster.local", "A", of).rr] == [f"{WEB}.", "10.96.0.7"]
    assert str(asked("y.default.svc.cluster.local", "AAAA", of).rr[0].rdata) == "fd00::1"
    assert str(asked("7.0.96.10.in-addr.arpa", "PTR", of).rr[0].rdata) == f"{WEB}."
    assert str(asked("dns-version.cluster.local", "TXT", of).rr[0].rdata) == '"1.1.0"'


@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [("absent.default.svc.cluster.local", "A", RCODE.NXDOMAIN), (WEB, "AAAA", RCODE.NOERROR), (WEB, "MX", RCODE.NOERROR)],
)
def test_what_is_not_there_is_said_with_the_zones_authority(name: str, kind: str, code: int) -> None:
    reply = asked(name, kind)
    assert (reply.header.rcode, reply.rr) == (code, [])
    assert [(str(one.rname), QTYPE[one.rtype]) for one in reply.auth] == [("cluster.local.", "SOA")]


def test_names_of_the_world_outside_do_not_exist_here() -> None:
    reply = asked("example.com")
    assert (reply.header.rcode, reply.header.aa, reply.rr, reply.auth) == (RCODE.NXDOMAIN, 0, [], [])


def test_a_server_that_has_been_told_nothing_yet_says_that_it_fails() -> None:
    data = answered(bytes(DNSRecord.question(WEB).pack()), None)
    assert data is not None
    assert DNSRecord.parse(data).header.rcode == RCODE.SERVFAIL


@pytest.mark.parametrize(("edns", "limit"), [(0, 512), (256, 512), (1232, 1232), (4096, 1232)])
def test_an_answer_that_does_not_fit_a_datagram_is_cut_and_says_so(edns: int, limit: int) -> None:
    query = DNSRecord.question("db.default.svc.cluster.local")
    if edns:
        query.add_ar(EDNS0(udp_len=edns))
    sizes = []
    for count in range(1, 120):
        data = answered(bytes(query.pack()), zone(*many(count)))
        assert data is not None
        assert len(data) <= limit
        reply = DNSRecord.parse(data)
        assert (len(reply.rr) == count) != bool(reply.header.tc)
        if not reply.header.tc:
            sizes.append(len(data))
    assert max(sizes) > limit - 20


def test_over_tcp_all_of_it_comes() -> None:
    reply = asked("db.default.svc.cluster.local", of=zone(*many(300)), tcp=True)
    assert (len(reply.rr), reply.header.tc) == (300, 0)


def test_addresses_added_unasked_are_left_away_first() -> None:
    names = tuple(f"h{number}.{WEB}" for number in range(12))
    records = [Record(f"_p._tcp.{WEB}", "SRV", name, 80, 8) for name in names[:7]] + [Record(name, "A", "10.244.1.1") for name in names]
    reply = asked(f"_p._tcp.{WEB}", "SRV", zone(*records))
    assert (len(reply.rr), len(reply.ar), reply.header.tc) == (7, 0, 0)


def test_extensions_are_answered_with_ours_and_unknown_versions_refused() -> None:
    (option,) = asked(WEB, edns=4096).ar
    assert (QTYPE[option.rtype], option.edns_ver, option.edns_len) == ("OPT", 0, 1232)
    query = DNSRecord.question(WEB)
    query.add_ar(EDNS0(udp_len=1232, version=1))
    data = answered(bytes(query.pack()), zone())
    assert data is not None
    reply = DNSRecord.parse(data)
    assert (reply.ar[0].edns_rcode, reply.rr) == (1, [])


def _packet(**header: Any) -> bytes:
    return bytes(DNSRecord(DNSHeader(id=77, **header), questions=[DNSQuestion(WEB)]).pack())


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (_packet(opcode=2), RCODE.NOTIMP),
        (_packet(opcode=5), RCODE.NOTIMP),
        (_packet()[:20], RCODE.FORMERR),
        (_packet()[:12], RCODE.FORMERR),
        (_packet() + bytes(5000), RCODE.FORMERR),
        (bytes(DNSRecord(DNSHeader(id=77), questions=[DNSQuestion(WEB), DNSQuestion(WEB)]).pack()), RCODE.FORMERR),
        (bytes(DNSRecord(DNSHeader(id=77)).pack()), RCODE.FORMERR),
        (bytes(DNSRecord(DNSHeader(id=77), questions=[DNSQuestion("version.bind", 16, 3)]).pack()), RCODE.REFUSED),
    ],
)
def test_what_is_no_question_of_ours_is_answered_with_its_number_and_why_not(data: bytes, code: int) -> None:
    reply = answered(data, zone())
    assert reply is not None
    header = DNSRecord.parse(reply).header
    assert (header.id, header.qr, header.rcode) == (77, 1, code)


def test_answers_and_scraps_get_no_answer() -> None:
    assert answered(_packet(qr=1), zone()) is None
    assert answered(b"", zone()) is None
    assert answered(b"short", zone()) is None


def test_names_that_point_in_circles_are_no_names() -> None:
    head = _packet()[:12]
    for name in (b"\xc0\x0c", b"\x01a\xc0\x0c", b"\x01a\xc0\x0e\xc0\x0c", b"\x03abc\xc0\xff"):
        reply = answered(head + name + b"\0\1\0\1", zone())
        assert reply is not None
        assert DNSRecord.parse(reply).header.rcode == RCODE.FORMERR


def test_a_dot_inside_a_label_does_not_make_it_another_name() -> None:
    query = bytes(DNSRecord(DNSHeader(id=77), questions=[DNSQuestion([b"web.default", b"svc", b"cluster", b"local"])]).pack())
    reply = answered(query, zone())
    assert reply is not None
    assert DNSRecord.parse(reply).header.rcode == RCODE.NXDOMAIN


@given(st.binary(max_size=200) | st.binary(min_size=12, max_size=80).map(lambda rest: b"\0\7\1\0\0\1\0\0\0\0\0" + rest))
def test_whatever_comes_is_answered_or_dropped(data: bytes) -> None:
    reply = answered(data, zone())
    assert reply is None or reply[:2] == data[:2]


@given(st.integers(0, 80), st.binary(min_size=1, max_size=6), st.booleans())
def test_a_spoilt_question_is_answered_or_dropped(at: int, noise: bytes, tcp: bool) -> None:
    query = DNSRecord.question(f"_http._tcp.{WEB}", "SRV")
    query.add_ar(EDNS0(udp_len=1232))
    data = bytes(query.pack())
    at = min(at, len(data))
    data = data[:at] + noise + data[at + len(noise) :]
    reply = answered(data, zone(), tcp=tcp)
    assert reply is None or (reply[:2] == data[:2] and reply[2] & 0x80)
