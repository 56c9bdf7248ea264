"""The platforms: each turns what arrives into `bot.api.Incoming` and what is said into posts of its own."""
