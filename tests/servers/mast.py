"""A search service as MAST has one: pages, products of file sets, exclusive data, and odd answers."""

import json
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

from servers.loopback import Loopback


class SearchServer(Loopback):
    """A search service.

    Parameters
    ----------
    sets : list of dict
        File sets: fileSetName, program, observtn, instrume, exp_type, detectors, access.
    odd : dict
        Path to (HTTP status, body) in place of an answer; a list of such gives one after the other, then answers.
    """

    path = "/search/jwst/api/v0.1"

    def __init__(self, sets, odd=None):
        self.sets, self.odd, self.asked = sets, odd or {}, []

    def search(self, asked):
        """Answer as the service does: conditions are all to be met, of values between commas one."""
        rows = self.sets
        for condition in asked["conditions"]:
            ((column, text),) = condition.items()
            if column == "productLevel":
                continue
            values = [int(one) if one.isdigit() else one for one in text.split(",")]
            rows = [row for row in rows if row[column] in values]
        rows = sorted(rows, key=lambda row: row[asked["sort_by"][0]])
        page = rows[asked["offset"] : asked["offset"] + asked["limit"]]
        results = [{column: row[column] for column in asked["select_cols"]} for row in page]
        return {"info": [], "results": results, "search_params": asked, "totalResults": len(rows)}

    def products(self, names):
        """Products of all levels: raw files, what is made of them, and what belongs to guide stars."""
        found = []
        for row in self.sets:
            if row["fileSetName"] in names:
                stems = [f"{row['fileSetName']}_{detector}" for detector in row["detectors"]]
                files = [f"{stem}_{kind}" for stem in stems for kind in ("uncal.fits", "rate.fits", "uncal.jpg")]
                files += [f"{row['fileSetName'].partition('_')[0]}_gs-acq1_2022_uncal.fits"]
                found += [{"filename": file, "access": row["access"], "size": 1, "uri": file} for file in files]
        return {"products": found}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: SearchServer

    def do_POST(self):
        self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def do_GET(self):
        self._answer(parse_qs(urlsplit(self.path).query))

    def _answer(self, asked):
        name = urlsplit(self.path).path.rpartition("/")[2]
        self.owner.asked.append((self.command, name, asked))
        odd, status = self.owner.odd.get(name), 200
        if isinstance(odd, list):
            odd = odd.pop(0) if odd else None
        if odd is not None:
            status, body = odd
        elif name == "search":
            body = self.owner.search(asked)
        else:
            body = self.owner.products(asked["dataset_ids"][0].split(","))
        content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        """Say nothing on the terminal."""


SearchServer.handler = _Handler
