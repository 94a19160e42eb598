"""What the snippet asks and tells. Plain functions answer; Flask views and the front under granian both call them."""
