"""The process that `mtft.mixing.workers` starts: a function and what all jobs share, then job after job."""

from __future__ import annotations

import _thread
import contextlib
import os
import pickle
import queue
import signal
import sys
import threading
import time
import traceback

from mtft.errors import MixtureError
from mtft.mixing.workers import OPENING, PATIENCE, receive, send


def main() -> None:
    """Answer jobs from standard input until it ends."""
    # What anything prints goes to standard error: standard output carries the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # a user's Ctrl-C is the parent's, which then ends this process
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    messages: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(messages,), daemon=True).start()
    opening, work = b"", None
    while message := messages.get():
        body = message[1:]
        if message.startswith(OPENING):
            opening, work = body, None
            continue
        try:
            # the parent's, which started this process
            function, shared = work = work or pickle.loads(opening)
            answer = pickle.dumps((True, function(shared, pickle.loads(body))))
        except Exception as error:  # whatever it is, it is the parent's to raise
            answer = _refusal(error)
        send(answers, answer)


def _listen(messages: queue.SimpleQueue[bytes]) -> None:
    """Pass messages on; when the parent ends, or is killed, stop the work within its cleaning blocks."""
    with os.fdopen(os.dup(0), "rb") as source, contextlib.suppress(EOFError):
        while True:
            messages.put(receive(source))
    messages.put(b"")  # idle work ends by this, busy work by the signal
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
    else:
        _thread.interrupt_main(signal.SIGTERM)
    time.sleep(PATIENCE)
    os._exit(1)


def _refusal(error: Exception) -> bytes:
    text = traceback.format_exc()
    try:
        answer = pickle.dumps((False, (error, text)))
        pickle.loads(answer)
    except Exception:  # an error of a class that does not pickle is told in words
        told = MixtureError("A job must not fail.", found=f"{type(error).__name__}: {error}")
        answer = pickle.dumps((False, (told, text)))
    return answer


if __name__ == "__main__":
    main()
