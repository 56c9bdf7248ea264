"""Documents as text that a model can read: one module a format.

They run in a process of the workshop, never in the bot's own. Each has a `read` that begins a document, and
`reading` chooses among them and keeps the bounds.
"""
