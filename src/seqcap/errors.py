"""What can go wrong by a user's hand: every text says what came, what was expected, the way out."""


class SeqcapError(Exception):
    """Something came that cannot be worked with; the text is one line meant for the user."""


class AudioError(SeqcapError):
    """A recording that is missing, unreadable, too short or not made of numbers."""


class CorpusError(SeqcapError):
    """A corpus table, folder or fold that cannot be used as it is."""


class SettingsError(SeqcapError):
    """A setting or an option that is unknown or out of its range."""


class CheckpointError(SeqcapError):
    """A saved system that is missing, incomplete or made by another kind of program."""


class MissingExtraError(SeqcapError):
    """A command that needs packages which the light core does not install."""


class AudioWarning(UserWarning):
    """A recording that is worked with, but whose answer deserves doubt (silence, clipping)."""


class CorpusWarning(UserWarning):
    """A corpus that is worked with, but is incomplete or unusual."""
