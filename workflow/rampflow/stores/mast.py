"""The archive's public search service for JWST, asked for the raw files of a programme.

What is used of its interface: ``POST …/search`` takes ``conditions`` (a list of {column: value}, where commas stand
between values of which one is enough), ``select_cols``, ``sort_by``, ``limit`` and ``offset``, and answers with
``results`` and ``totalResults``; ``GET …/list_products`` takes ``dataset_ids`` and answers with ``products``, which
have a ``filename`` and an ``access``. Source: astroquery, which asks the same service
(https://github.com/astropy/astroquery: astroquery/mast/missions.py, services.py).
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

from rampflow.settings.configuration import INSTRUMENTS, schema
from rampflow.settings.product_names import split_name
from rampflow.stores.objects import StoreProblem
from rampflow.stores.web import credentials, new_session, why_refused, why_unreachable

SERVICE = "https://mast.stsci.edu/search/jwst/api/v0.1"
#: What is put before the name of a raw file: its address in the archive, and in its public bucket.
DOWNLOAD = "https://mast.stsci.edu/api/v0.1/Download/file?uri=mast:JWST/product/"
BUCKET = "s3://stpubdata/jwst/public"
#: File sets of an answer, and those whose products are asked for at once.
_PAGE, _BATCH = 1000, 25
#: Seconds: answers of the search take up to a minute and a half.
_CONNECT, _PATIENCE = 10, 180
_COLUMNS = ("fileSetName", "program", "observtn", "instrume", "exp_type", "access")
_PUBLIC = "PUBLIC"


class RawFile(NamedTuple):
    """A raw file of the archive."""

    name: str
    instrument: str
    detector: str  #: in upper case, as the name has it
    public: bool

    @property
    def exposure(self) -> str:
        """Name of the exposure."""
        return split_name(self.name)[0]

    def address(self, kind: str) -> str:
        """Return its address, in the archive ("mast") or in its public bucket ("s3")."""
        if kind == "mast":
            return DOWNLOAD + self.name
        # jw01366002001_04101_00001_nrs1: programme, observation and visit.
        visit = self.name.partition("_")[0]
        return f"{BUCKET}/{visit[:7]}/{visit}/{self.name}"


class Archive:
    """The search service.

    Parameters
    ----------
    service : str, optional
        Its address.
    """

    def __init__(self, service: str = SERVICE) -> None:
        self._service, self._session = service.rstrip("/"), new_session()

    def raw_files(
        self,
        program: int,
        observations: Sequence[int] = (),
        instruments: Sequence[str] = (),
        types: Sequence[str] = (),
        detectors: Sequence[str] = (),
    ) -> list[RawFile]:
        """Return the raw files of a programme, sorted by name.

        Parameters
        ----------
        program : int
            Number of the programme.
        observations, instruments, types, detectors : sequence, optional
            Observation numbers, INSTRUME, EXP_TYPE and DETECTOR, of which one has to fit; all fit where none is given.

        Raises
        ------
        StoreProblem
            The service cannot be reached, or answers what it should not.
        """
        conditions = [{"program": str(program)}, {"productLevel": "1b"}]
        for column, values in (("observtn", observations), ("instrume", instruments), ("exp_type", types)):
            conditions += [{column: ",".join(map(str, values))}] if values else []
        sets = {row["fileSetName"]: row for row in self._file_sets(conditions)}
        wanted = {detector.upper() for detector in detectors}
        found = {one.name: one for one in self._products(sets) if not wanted or one.detector in wanted}
        return [found[name] for name in sorted(found)]

    def _file_sets(self, conditions: list[dict[str, str]]) -> Iterator[dict[str, Any]]:
        """Go through the file sets that fit, page by page."""
        asked = {"conditions": conditions, "select_cols": list(_COLUMNS), "sort_by": ["fileSetName"]}
        for page in count():
            where = {"limit": _PAGE, "offset": page * _PAGE}
            answer = self._answer("POST", "search", json=asked | where)
            rows = _rows(answer, "results", "fileSetName")
            yield from rows
            total = answer.get("totalResults")
            if not isinstance(total, int):
                raise StoreProblem("its answer says no totalResults; is it the search service of MAST for JWST?")
            if page * _PAGE + len(rows) >= total:
                return
            if not rows:
                raise StoreProblem(f"{total} file sets, of which {page * _PAGE} came; try again later")

    def _products(self, sets: dict[str, dict[str, Any]]) -> Iterator[RawFile]:
        """Go through the raw files of file sets."""
        known = schema("headers")["properties"]
        detectors = {name: one for one in INSTRUMENTS for name in known[one]["properties"]["DETECTOR"]["enum"]}
        ids = list(sets)
        for names in (ids[first : first + _BATCH] for first in range(0, len(ids), _BATCH)):
            answer = self._answer("GET", "list_products", params={"dataset_ids": ",".join(names)})
            for product in _rows(answer, "products", "filename"):
                exposure, kind = split_name(str(product["filename"]))
                # The last part of a name is the detector; products of guide stars have others.
                detector = exposure.rpartition("_")[2].upper()
                if kind == "uncal" and detector in detectors:
                    public = str(product.get("access") or _PUBLIC).upper() == _PUBLIC
                    yield RawFile(str(product["filename"]), detectors[detector], detector, public)

    def _answer(self, method: str, path: str, **asked: Any) -> dict[str, Any]:
        url = f"{self._service}/{path}"
        try:
            response = self._session.request(
                method, url, headers=credentials(url), timeout=(_CONNECT, _PATIENCE), **asked
            )
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            raise StoreProblem(why_unreachable(url, error, _PATIENCE)) from None
        if response.status_code != 200:
            raise StoreProblem(why_refused(response.status_code))
        try:
            answer = response.json()
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise StoreProblem(f"{urlsplit(url).netloc} answers what is not JSON, as a proxy may; try later")
        return answer


def _rows(answer: dict[str, Any], key: str, needed: str) -> list[dict[str, Any]]:
    """Return the rows of an answer, which have to have a name each."""
    rows: Iterable[Any] | None = answer.get(key)
    # Of several sets at once there is a list for each.
    if isinstance(rows, list) and rows and all(isinstance(row, list) for row in rows):
        rows = [one for row in rows for one in row]
    if not isinstance(rows, list) or not all(
        isinstance(row, dict) and isinstance(row.get(needed), str) for row in rows
    ):
        raise StoreProblem(
            f"its answer has no {key} with a {needed} each; is this the search service of MAST for JWST?"
        )
    return rows
