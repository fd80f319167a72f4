"""What can be wrong with what a user gives: one kind for each place it comes from."""


class SoraError(Exception):
    """A mistake a user can mend. The message names the value, the limit and the fix."""


class ConfigError(SoraError):
    """A setting, or two settings that contradict each other."""


class SizeError(SoraError):
    """A width, height, duration or frame rate outside what the pack supports."""


class MediaError(SoraError):
    """A picture, video or sound file that cannot be read or written."""


class WeightsError(SoraError):
    """A model file that is malformed, or does not fit the model it is loaded into."""


class PathError(SoraError):
    """A name that would leave the folder it belongs to."""


class PromptError(SoraError):
    """A text that cannot be encoded."""


class TrainingError(SoraError):
    """A training run that cannot start, go on or be resumed."""
