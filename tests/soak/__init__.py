"""A sidecar for a long time, between an upstream and clients that misbehave at random."""
