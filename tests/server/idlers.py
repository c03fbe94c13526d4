"""HTTP/2 connections that ask for nothing, yet answer what keeps a connection alive (RFC 9113)."""

from __future__ import annotations

import selectors
import socket
import ssl
import threading

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000")

_HEAD = 9
_SETTINGS, _PING, _ACK = 4, 6, 1


class Idlers:
    """Connections that are kept open until this is closed; `alive` are those still there."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._heard: dict[socket.socket, bytes] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def add(self, one: socket.socket) -> None:
        """Speak HTTP/2's first words on a connection and keep it."""
        one.sendall(PREFACE)
        one.setblocking(False)
        self._heard[one] = b""
        self._selector.register(one, selectors.EVENT_READ)

    @property
    def alive(self) -> int:
        """How many the other side has not closed."""
        return len(self._heard)

    def close(self) -> None:
        """End them all."""
        self._stop.set()
        self._thread.join()
        for one in list(self._heard):
            one.close()
        self._selector.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            for key, _ in self._selector.select(0.1):
                assert isinstance(key.fileobj, socket.socket)
                if not self._answered(key.fileobj):
                    self._selector.unregister(key.fileobj)
                    del self._heard[key.fileobj]
                    key.fileobj.close()

    def _answered(self, one: socket.socket) -> bool:
        """Read what is there and answer it; False once it is closed."""
        try:
            while part := one.recv(4096):
                self._heard[one] += part
        except (BlockingIOError, ssl.SSLWantReadError):
            return self._answer(one)
        except OSError:
            return False
        return False

    def _answer(self, one: socket.socket) -> bool:
        data = self._heard[one]
        while len(data) >= _HEAD:
            size, kind, flags = int.from_bytes(data[:3], "big"), data[3], data[4]
            if len(data) < _HEAD + size:
                break
            body, data = data[_HEAD : _HEAD + size], data[_HEAD + size :]
            if kind in (_SETTINGS, _PING) and not flags & _ACK:
                echoed = body if kind == _PING else b""
                reply = len(echoed).to_bytes(3, "big") + bytes([kind, _ACK]) + bytes(4) + echoed
                try:
                    one.sendall(reply)
                except OSError:
                    return False
        self._heard[one] = data
        return True
