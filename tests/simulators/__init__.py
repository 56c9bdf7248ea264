"""Stand-ins for other people's servers, over real HTTP on loopback and as strict as the real ones."""
