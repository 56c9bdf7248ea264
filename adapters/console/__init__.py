"""The terminal: `parley chat`, for a person at the keyboard and for a pipe."""

from adapters.console.adapter import Console, ConsoleSettings

__all__ = ["Console", "ConsoleSettings"]
