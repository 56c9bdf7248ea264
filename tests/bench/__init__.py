"""How fast, how small and how cheap the bot is, beside the least that the same libraries can do."""
