"""What the host tests give, for the hostile tests that need a server."""

from tests.host.conftest import sampled, started, tiny

__all__ = ["sampled", "started", "tiny"]
