"""What happens when servers and processes die."""
