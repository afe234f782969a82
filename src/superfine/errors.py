"""The one exception that is meant for the person at the keyboard."""


class UserError(ValueError):
    """Something the user can put right.

    The message is one line: what (the file or the option), the cause, the way out. The command line prints it and
    exits with status 1; a library caller catches it as a ``ValueError``.
    """
