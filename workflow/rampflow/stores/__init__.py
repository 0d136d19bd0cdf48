"""Stores that raw exposures are read from: object stores (S3) and web servers."""
