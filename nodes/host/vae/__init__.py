"""Encoding and decoding through any VAE of the host."""
