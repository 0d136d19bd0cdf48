"""What every job of the workflow has around its one call: its log, its chunks, its product, its record."""
