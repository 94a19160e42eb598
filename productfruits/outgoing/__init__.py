"""The outbound protocol: the only socket that leaves, its guard, signatures, retries, bodies. Knows no table."""
