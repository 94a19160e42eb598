"""Runs functions written for Segment: JavaScript in processes of its own, which hold nothing worth stealing."""
