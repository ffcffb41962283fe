"""What is known about a program: read-only answers, each with a stated safe direction."""
