"""Bytes of files: FITS products, trees of ASDF, keywords, small files that jobs share. Only here is FITS known."""
