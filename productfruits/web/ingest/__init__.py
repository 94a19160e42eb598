"""The ways in for messages. Plain functions answer; Flask views and the front under granian both call them."""
