"""What the operators' command says instead of a traceback."""


class OperatorError(Exception):
    """It can't be done; the message is one sentence that says why and what to do."""
