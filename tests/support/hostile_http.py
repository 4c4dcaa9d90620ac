"""Strategies for request heads, bodies and paths that no client would send."""

import msgspec
from hypothesis import strategies as st

Bytes = st.SearchStrategy[bytes]

KEY = b"AAAAAAAAAAAAAAAAAAAAAA=="

METHODS = st.sampled_from(
    [
        b"GET",
        b"GET",
        b"POST",
        b"DELETE",
        b"HEAD",
        b"OPTIONS",
        b"PUT",
        b"CONNECT",
        b"get",
        b"",
        b"G\x00T",
        b"PRI",
        b"TRACE",
    ]
)
VERSIONS = st.sampled_from(
    [b"HTTP/1.1"] * 5 + [b"HTTP/1.0", b"HTTP/2.0", b"HTTP/1.1 ", b"http/1.1", b""]
)
ESCAPES = st.sampled_from(
    [
        b"%2f",
        b"%2F..",
        b"%00",
        b"%",
        b"%zz",
        b"%c3%28",
        b"%ff",
        b"%ed%a0%80",
        b"%25",
        b"%F0%9F%8E%89",
        b"%0d%0aX:%20y",
        b"%e2%80%ae",
        b"..",
        b"//",
        b"?",
        b"#",
        b";",
    ]
)
PATH_PARTS = st.lists(
    ESCAPES | st.binary(max_size=6) | st.sampled_from([b"abc123", b"host-1", b"x"]),
    max_size=3,
).map(b"".join)
PATHS = st.one_of(
    st.sampled_from([b"/", b"/ws", b"/ws?x=1", b"/healthz", b"/sessions", b"/metrics"]),
    PATH_PARTS.map(lambda part: b"/sessions/" + part),
    st.builds(
        lambda session, member: b"/sessions/%b/members/%b" % (session, member),
        PATH_PARTS,
        PATH_PARTS,
    ),
    st.just(b"http://[::1/ws"),
    PATH_PARTS,
)

VALUES = st.sampled_from(
    [
        b"websocket",
        b"WebSocket",
        b"Upgrade",
        b"keep-alive, Upgrade",
        b"close",
        b"13",
        KEY,
        b"AAAA",
        b"=" * 24,
        b"A" * 22 + b"=",
        b"\xc3\xa9",
        b"0",
        b"5",
        b"-1",
        b"+5",
        b"5, 5",
        b"99999999999999999999",
        b"0x5",
        b"chunked",
        b"gzip, chunked",
        b"magic",
        b"chunked, chunked",
        b"localhost",
        b"100-continue",
        b"Bearer x",
        b"",
        b"x" * 200,
    ]
) | st.binary(max_size=12)
NAMES = st.sampled_from(
    [
        b"Host",
        b"Upgrade",
        b"Connection",
        b"Sec-WebSocket-Version",
        b"Expect",
        b"Cookie",
        b"Sec-WebSocket-Key",
        b"Content-Length",
        b"Transfer-Encoding",
        b"Authorization",
        b"Content-Encoding",
        b"Content-Type",
        b"Content-Length ",
        b" Host",
        b"",
        b"A" * 80,
    ]
) | st.binary(max_size=8)
LINE_ENDS = st.sampled_from([b"\r\n"] * 8 + [b"\n", b"\r", b"\r\n ", b"\r\r\n"])

HEADER_LINES = st.builds(
    lambda name, colon, value, end: name + colon + value + end,
    NAMES,
    st.sampled_from([b": "] * 6 + [b":", b" : ", b""]),
    VALUES,
    LINE_ENDS,
)

UPGRADE_LINES = [
    b"Host: localhost\r\n",
    b"Upgrade: websocket\r\n",
    b"Connection: Upgrade\r\n",
    b"Sec-WebSocket-Version: 13\r\n",
    b"Sec-WebSocket-Key: %b\r\n" % KEY,
]

ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=80),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(st.characters(codec="utf-8"), max_size=8), inner, max_size=3
        )
    ),
    max_leaves=6,
)
"""Values that JSON can say."""


@st.composite
def heads(draw: st.DrawFn) -> bytes:
    """Draw a head, whole or nearly."""
    first = b" ".join([draw(METHODS), draw(PATHS), draw(VERSIONS)]) + draw(LINE_ENDS)
    lines = draw(st.lists(HEADER_LINES, max_size=5))
    return first + b"".join(lines) + draw(st.sampled_from([b"\r\n"] * 6 + [b"", b"\n"]))


@st.composite
def upgrades(draw: st.DrawFn) -> bytes:
    """Draw an upgrade that is right, or wrong in a line or two."""
    lines = list(draw(st.permutations(UPGRADE_LINES)))
    for line in draw(st.lists(HEADER_LINES, max_size=2)):
        lines.insert(draw(st.integers(0, len(lines))), line)
    for _ in range(draw(st.sampled_from([0, 0, 0, 1]))):
        lines.pop(draw(st.integers(0, len(lines) - 1)))
    path = draw(st.sampled_from([b"/", b"/ws", b"/ws?session=abc123", b"/other"]))
    return b"GET %b HTTP/1.1\r\n" % path + b"".join(lines) + b"\r\n"


NEW_SESSION_FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "name": st.just("P") | ANY_JSON,
        "hostName": st.just("H") | ANY_JSON,
        "maxMembers": st.integers(-1, 10_001) | ANY_JSON,
        "id": st.from_regex(r"[A-Za-z0-9_-]{0,65}", fullmatch=True) | ANY_JSON,
        "listed": st.booleans() | ANY_JSON,
        "other": ANY_JSON,
    },
)
JSON_TEXTS: Bytes = st.one_of(
    NEW_SESSION_FIELDS.map(msgspec.json.encode),
    ANY_JSON.map(msgspec.json.encode),
    st.sampled_from(
        [
            b'{"name":"\\ud800"}',
            b'{"name":' + b"[" * 5000,
            b'{"name":"P","maxMembers":',
            b'{"name":"P","maxMembers":1e400}',
            b'{"name":"P","maxMembers":%b}' % (b"9" * 5000),
            b'{"name":"\xff"}',
            b"\xef\xbb\xbf{}",
            b'{"name":"P"}' + b" " * 20000,
        ]
    ),
    st.binary(max_size=30),
)


@st.composite
def chunked(draw: st.DrawFn, texts: Bytes = JSON_TEXTS) -> bytes:
    """Draw a chunked body, right or not."""
    text, out = draw(texts), b""
    for _ in range(draw(st.integers(1, 3))):
        size = draw(st.integers(1, 40))
        chunk, text = text[:size], text[size:]
        told = draw(st.sampled_from([b"%x" % len(chunk)] * 5 + [b"zz", b"-1", b"0x5"]))
        ext = draw(st.sampled_from([b""] * 5 + [b";a=b", b" ", b"\x00", b";" * 300]))
        out += told + ext + draw(LINE_ENDS) + chunk + draw(LINE_ENDS)
    end = st.sampled_from(
        [b"0\r\n\r\n"] * 4 + [b"", b"0\r\nA: b\r\n\r\n", b"0\r\n\x00\r\n"]
    )
    return out + draw(end)


@st.composite
def posts(draw: st.DrawFn) -> bytes:
    """Draw ``POST /sessions`` with a body whose length is told this way or that."""
    body = draw(JSON_TEXTS)
    length = b"Content-Length: %d\r\n" % len(body)
    told = draw(
        st.sampled_from(
            [length] * 6
            + [
                length * 2,
                length + b"Content-Length: 1\r\n",
                b"Content-Length: 1\r\n",
                b"",
            ]
            + [length + b"Transfer-Encoding: chunked\r\n"]
        )
    )
    if draw(st.sampled_from([False, False, True])):
        told, body = b"Transfer-Encoding: chunked\r\n", draw(chunked())
    more = b"".join(draw(st.lists(HEADER_LINES, max_size=2)))
    return b"POST /sessions HTTP/1.1\r\nHost: x\r\n" + told + more + b"\r\n" + body
