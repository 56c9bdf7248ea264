"""The core of Parley: it names no platform."""
