"""`python -m tools.batch WORKFLOW TABLE`: see `tools.batch.command`, or `--help`."""

import sys

from tools.batch.stop import STOPPED, WORDS, Stop


def main() -> int:
    """The exit code of the command; 130 if Ctrl-C comes while the command is imported."""
    stop = Stop()
    try:
        from tools.batch import command  # takes a second, in which Ctrl-C has its sentence too
    except KeyboardInterrupt:
        print(WORDS)
        return STOPPED
    return command.main(sys.argv[1:], stop)


if __name__ == "__main__":
    sys.exit(main())
