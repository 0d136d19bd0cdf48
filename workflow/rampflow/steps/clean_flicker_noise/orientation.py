"""NIRSpec's frames with the lines, as they are read, as rows.

Source: https://jwst-pipeline.readthedocs.io/en/stable/jwst/clean_flicker_noise/description.html
"""


def to_detector(image, detector):
    """Return a view of an image with lines, as they are read, as rows; it is its own inverse for NRS1.

    Parameters
    ----------
    image : 2D `~numpy.ndarray`
        In the orientation of files.
    detector : {"NRS1", "NRS2"}
        Its name.
    """
    return image.T[::-1] if detector == "NRS2" else image.T


def from_detector(image, detector):
    """Return a view of an image in the orientation of files: the inverse of `to_detector`."""
    return image[::-1].T if detector == "NRS2" else image.T
