"""A job that asks for a child, as the server sees it: what it sends is bounded, and nobody waits for it."""

import marshal
import os
import socket
import struct
import time

#: Seconds in which a job has to say what it wants, and bytes that it may take: the environment is most of it.
_PATIENCE, _LARGEST = 10, 16 << 20


class Caller:
    """A connection whose request is on its way.

    Parameters
    ----------
    connection : `~socket.socket`
        Nobody waits for it.

    Attributes
    ----------
    streams : list of int
        The job's standard streams, once they have come.
    request : bytes
        What has come so far: four bytes that say how much more there is, and that.
    deadline : float
        By which it has to be complete (`time.monotonic`).
    """

    def __init__(self, connection):
        self.connection, self.streams, self.request = connection, [], b""
        self.deadline = time.monotonic() + _PATIENCE
        connection.setblocking(False)

    def complete(self):
        """Take what has come; whether the request is complete.

        Raises
        ------
        OSError
            It will never be: the other side is gone, or says what no job says.
        """
        while True:
            try:
                # The streams come with the first bytes; room for more than there should be, so that none stays open.
                room = socket.CMSG_SPACE(32 * 4)
                piece, rights, _, _ = self.connection.recvmsg(1 << 16, room, socket.MSG_CMSG_CLOEXEC)
            except BlockingIOError:
                return False
            for level, kind, data in rights:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    self.streams += struct.unpack(f"{len(data) // 4}i", data[: len(data) // 4 * 4])
            self.request += piece
            size = 4 + int.from_bytes(self.request[:4], "big") if len(self.request) >= 4 else _LARGEST
            if not piece or len(self.streams) > 3 or len(self.request) > size or size > _LARGEST + 4:
                raise OSError("not a job's request")
            if len(self.request) == size:
                if len(self.streams) != 3:
                    raise OSError("a request without its streams")
                return True

    def step(self):
        """Name the script that a complete request is about; "" where it says none."""
        try:
            script, *_ = marshal.loads(self.request[4:])
            # Snakemake runs a copy, whose name ends with that of the original.
            return script.removesuffix(".py").rpartition("/")[2].rpartition(".")[2]
        except Exception:
            # Nothing that a job has sent: it gets its answer from the child.
            return ""

    def close(self):
        """Close the connection and what has come through it."""
        self.close_streams()
        self.connection.close()

    def close_streams(self):
        """Close the job's streams, which are its child's by now."""
        for stream in self.streams:
            os.close(stream)
        self.streams = []
