"""OpenAI-style HTTP: settings, the client, its stream reader, and one module for each endpoint."""
