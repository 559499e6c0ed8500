"""One packet of DNS in, one out. Reading and writing them is dnslib's; what is answered is the zone's (`models/dns.py`).

Sources: RFC 1035, RFC 6891 (EDNS), RFC 2308 (negative answers carry the SOA), RFC 2181 9 (what doesn't fit is cut off and says so).
"""

from __future__ import annotations

import struct
from typing import Any

from dnslib import AAAA, CLASS, CNAME, EDNS0, OPCODE, PTR, QTYPE, RCODE, RR, SOA, SRV, TXT, A, DNSError, DNSHeader, DNSLabel, DNSRecord

from callboard.models.dns import TTL_S, Record, Reply, Zone

HEADER_BYTES = 12
QUERY_LIMIT_BYTES = 4096
ADDITIONAL_LIMIT = 2
"""Records beside a question: options, and a signature, which is ignored."""
PLAIN_LIMIT_BYTES = 512
"""What a client takes in one datagram that says nothing else (RFC 1035 4.2.1)."""
UDP_LIMIT_BYTES = 1232
"""What is sent in one datagram at most, so that it is never cut into fragments (the value of DNS Flag Day 2020)."""
TCP_LIMIT_BYTES = 65535
_HEADER = struct.Struct(">6H")
_NEGATIVE = ("NOERROR", "NXDOMAIN")
_REFRESH_S, _RETRY_S, _EXPIRE_S = 7200, 1800, 86400


def answered(data: bytes, zone: Zone | None, *, tcp: bool = False, turn: int = 0, serial: int = 1) -> bytes | None:
    """The answer to a packet; None where there must not be one (it is an answer itself, or not even a header). No zone: nothing is known
    yet, which is a failure of the server. `turn` chooses which of several addresses comes first."""
    if len(data) < HEADER_BYTES or data[2] & 0x80:
        return None
    _, flags, questions, answers, authorities, additional = _HEADER.unpack_from(data)
    if flags >> 11 & 15 != OPCODE.QUERY:
        return _bare(data, RCODE.NOTIMP)
    if len(data) > QUERY_LIMIT_BYTES or (questions, answers, authorities) != (1, 0, 0) or additional > ADDITIONAL_LIMIT:
        return _bare(data, RCODE.FORMERR)  # reading it whole could take long: names may point to each other
    try:
        query = DNSRecord.parse(data)
    except (DNSError, ValueError, RecursionError):  # ValueError: a label that is none; RecursionError: names that point in circles
        return _bare(data, RCODE.FORMERR)
    options = [record for record in query.ar if record.rtype == QTYPE.OPT]
    if len(options) > 1:
        return _bare(data, RCODE.FORMERR)
    reply = DNSRecord(DNSHeader(id=query.header.id, qr=1, rd=query.header.rd, ra=1), questions=query.questions)
    limit = TCP_LIMIT_BYTES if tcp else PLAIN_LIMIT_BYTES
    if options:
        wanted = options[0].rclass
        limit = limit if tcp else max(PLAIN_LIMIT_BYTES, min(wanted, UDP_LIMIT_BYTES))
        bad_version = options[0].edns_ver != 0
        reply.add_ar(EDNS0(udp_len=UDP_LIMIT_BYTES, ext_rcode=1 if bad_version else 0))  # BADVERS is 16: one in the upper bits
        if bad_version:
            return bytes(reply.pack())
    question = query.questions[0]
    if question.qclass not in (CLASS.IN, CLASS.reverse["*"]):
        reply.header.rcode = RCODE.REFUSED
    elif zone is None:
        reply.header.rcode = RCODE.SERVFAIL
    else:
        name = _name_of(question.qname)
        found = zone.answer(name, _type_of(question.qtype), turn) if name is not None else Reply("NXDOMAIN", authoritative=False)
        _fill(reply, question.qname, found, zone.domain, serial)
    return _packed(reply, limit)


def _bare(data: bytes, code: int) -> bytes:
    """An answer without content to what could not be read, or isn't done here."""
    number, flags = _HEADER.unpack_from(data)[:2]
    return bytes(DNSRecord(DNSHeader(id=number, qr=1, opcode=flags >> 11 & 15, rd=flags >> 8 & 1, rcode=code)).pack())


def _name_of(label: Any) -> str | None:
    """A question's name as text; None for one that can't be written so that it means itself only."""
    if any(b"." in part for part in label.label):
        return None
    return b".".join(label.label).decode("latin-1")


def _type_of(number: int) -> str:
    return "ANY" if number == 255 else str(QTYPE.get(number))


def _fill(reply: Any, asked: Any, found: Reply, domain: str, serial: int) -> None:
    reply.header.rcode = getattr(RCODE, found.code)
    reply.header.aa = int(found.authoritative)
    own = _name_of(asked) or ""
    for record in found.answers:  # in the letters that the client used, which some check
        reply.add_answer(_resource(record, asked if record.name == own.lower() else DNSLabel(record.name)))
    for record in found.additional:
        reply.add_ar(_resource(record, DNSLabel(record.name)))
    if found.authoritative and found.code in _NEGATIVE and (found.code == "NXDOMAIN" or not found.answers):
        times = (serial, _REFRESH_S, _RETRY_S, _EXPIRE_S, TTL_S)
        authority = SOA(f"ns.dns.{domain}", f"hostmaster.{domain}", times)
        reply.add_auth(RR(domain, QTYPE.SOA, ttl=TTL_S, rdata=authority))


def _resource(record: Record, name: Any) -> Any:
    match record.type:
        case "A":
            data: Any = A(record.data)
        case "AAAA":
            data = AAAA(record.data)
        case "CNAME":
            data = CNAME(record.data)
        case "PTR":
            data = PTR(record.data)
        case "SRV":
            data = SRV(0, record.weight, record.port, record.data)
        case _:
            data = TXT(record.data)
    return RR(name, getattr(QTYPE, record.type), ttl=TTL_S, rdata=data)


def _packed(reply: Any, limit_bytes: int) -> bytes:
    """The packet; if it is too large first without what was added unasked, then cut off, so that the client comes again by TCP."""
    data = bytes(reply.pack())
    if len(data) <= limit_bytes:
        return data
    reply.ar = [record for record in reply.ar if record.rtype == QTYPE.OPT]
    data = bytes(reply.pack())
    if len(data) > limit_bytes:
        reply.header.tc = 1
        reply.rr, reply.auth = [], []
        data = bytes(reply.pack())
    return data
