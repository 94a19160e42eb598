"""What the product is measured against. Frozen: a change here makes every older figure incomparable."""
