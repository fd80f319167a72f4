"""Errors in a user's input: one class for each source of input."""


class SoraError(Exception):
    """An error that the user can correct. The message names the value, the limit and the fix."""


class ConfigError(SoraError):
    """A setting out of range, or settings that contradict each other."""


class SizeError(SoraError):
    """A width, height, duration or frame rate outside what the pack supports."""


class MediaError(SoraError):
    """A picture, video or sound file that cannot be read or written."""


class WeightsError(SoraError):
    """A model file that is malformed, or does not fit the model it is loaded into."""


class PathError(SoraError):
    """A file name that is not legal everywhere, or that leads out of its folder."""


class PromptError(SoraError):
    """A text that cannot be encoded."""


class TrainingError(SoraError):
    """A training run that cannot start, continue or resume."""
