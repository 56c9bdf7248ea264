"""Everything that is not text: found out what it is, bounded, and made into what an endpoint or a platform takes.

`workshop` is the way in: it reads pictures, sound and documents in processes of its own. `kinds` tells what bytes
are, and `fetching` downloads what a server or a person names. Nothing is imported here, so that a process of the
workshop loads no more than its task needs.
"""
