"""Errors, in words for the person at the command line."""


class UserError(Exception):
    """Something the user gave does not fit: the message names it, what was expected and what to do."""
