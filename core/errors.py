"""The two kinds of failure: one that ends a command, and one that costs a single pair; the end that another process
asks for; and a library that does not load."""

import signal


class TalkbenchError(Exception):
    """An error that the user can put right.

    The message is one line that names the thing at fault and the remedy; the command line prints
    it without a traceback and exits with code 2.

    Attributes:
        told: whether another process that works on the same thing has told it already.
    """

    told = False


class PairError(TalkbenchError):
    """A single pair cannot be evaluated; it becomes a row with its reason and the run goes on.

    Args:
        reason: a short slug under which failures are counted, such as ``"undecodable-frame"``.
        message: the whole story, one line.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(reason, message)  # both, so that it survives the way out of a worker process
        self.reason = reason
        self.message = message

    def __str__(self) -> str:
        return self.message


class Terminated(KeyboardInterrupt):
    """Another process asks this one to end, by the signal `number`; what can be kept has been."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


NO_MEMORY = ("failed to map segment", "cannot allocate memory", "cannot apply additional memory protection")
"""What the loader says of a library for which there is no memory left."""


def is_out_of_memory(error: Exception) -> bool:
    """Whether a library could not be loaded for lack of memory alone."""
    return isinstance(error, MemoryError) or any(sign in str(error).lower() for sign in NO_MEMORY)
