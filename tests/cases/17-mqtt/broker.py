"""A minimal MQTT 3.1.1 broker for one client: accepts, grants, then sends what it is told.

The retain flag is set on the first message.
"""

import socket
import struct
import sys
import time

M = [  # topic, payload, retain
    ("plant/press1/temp", b"21.5", 1),
    ("plant/press1/temp", b"22,5", 0),
    ("plant/press1/temp", "22.5 °C".encode(), 0),
    ("plant/press1/temp", b"", 0),
    ("plant/press1/state", b"ON", 0),
    ("plant/press1/state", b"running", 0),
    ("plant/press1/big", b"1_000", 0),
    ("plant/press1/nan", b"NaN", 0),
    (
        "plant/press1/tele",
        b'{"Time":"2026-01-05T00:00:00","ENERGY":{"Power":10,"Total":"123.4"},"Wifi":{"RSSI":-60},"arr":[1,2]}',
        0,
    ),
    (
        "plant/press1/z2m",
        b'{"temperature":"21.5","humidity":null,"battery":100,"state":"ON","last_seen":1767571200000}',
        0,
    ),
    ("plant/press1/array", b'[{"n":"a","v":1},{"n":"b","v":2}]', 0),
    (
        "spBv1.0/g/DDATA/e/d",
        b"\x08\x80\xb0\xd5\xc3\xb7\x33\x12\x0b\x0a\x04temp\x65\x00\x00\xac\x41",
        0,
    ),
    ("plant/press1/senml", b'[{"bn":"urn:dev:1","n":"temp","u":"Cel","v":23.1}]', 0),
    ("plant/press1/ts", b'{"ts":"1767571200","value":5}', 0),
    ("plant/press1/tsms", b'{"ts":1767571200000,"value":5}', 0),
]


def pub(t: str, p: bytes, r: int) -> bytes:
    b = struct.pack(">H", len(t)) + t.encode() + p
    return bytes([0x30 | r]) + enc(len(b)) + b


def enc(n: int) -> bytes:
    o = b""
    while True:
        d = n % 128
        n //= 128
        o += bytes([d | (128 if n else 0)])
        if not n:
            return o


s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", int(sys.argv[1])))
s.listen(1)
c, _ = s.accept()


def rd(n: int) -> bytes:
    b = b""
    while len(b) < n:
        d = c.recv(n - len(b))
        if not d:
            sys.exit()
        b += d
    return b


while True:
    h = rd(1)[0]
    n = m = 0
    while True:
        d = rd(1)[0]
        n |= (d & 127) << m
        m += 7
        if d < 128:
            break
    body = rd(n)
    k = h >> 4
    if k == 1:
        c.sendall(b"\x20\x02\x00\x00")
    elif k == 8:
        pid = body[:2]
        i = 2
        cnt = 0
        while i < len(body):
            size = struct.unpack(">H", body[i : i + 2])[0]
            print("SUB", body[i + 2 : i + 2 + size].decode())
            i += 3 + size
            cnt += 1
        c.sendall(b"\x90" + enc(2 + cnt) + pid + b"\x00" * cnt)
        time.sleep(0.3)
        for t, p, r in M:
            c.sendall(pub(t, p, r))
            time.sleep(0.03)
    elif k == 12:
        c.sendall(b"\xd0\x00")
    elif k == 14:
        break
