"""Objects of a store with the interface of Amazon's S3: listed, looked at, read in parts, read from some place on."""

import importlib.util
import os
from collections.abc import Iterator
from typing import Any

from rampflow.stores.addresses import bucket_and_key, constant_part, matcher
from rampflow.stores.objects import ConnectionBroken, ObjectChanged, Stored, StoreProblem, Unreachable, complete

#: Variables of Snakemake's plugin for S3, which say the same as its options: what one of boto3's clients is made with.
_PLUGIN = {
    "endpoint_url": "SNAKEMAKE_STORAGE_S3_ENDPOINT_URL",
    "region_name": "SNAKEMAKE_STORAGE_S3_REGION",
    "aws_access_key_id": "SNAKEMAKE_STORAGE_S3_ACCESS_KEY",
    "aws_secret_access_key": "SNAKEMAKE_STORAGE_S3_SECRET_KEY",
    "aws_session_token": "SNAKEMAKE_STORAGE_S3_TOKEN",
}
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_REGION = "us-east-1"
#: Seconds to connect, and how often a store is asked in all that does not answer.
_CONNECT, _ATTEMPTS = 10, 3
_PIECE = 1 << 20


def missing() -> str | None:
    """Say what is not installed that object stores need; None where all of it is."""
    if importlib.util.find_spec("boto3") is not None:
        return None
    return "s3:// needs boto3, which is not installed; in the workflow's folder: pip install '.[storage]'"


class ObjectStore:
    """Objects of one store.

    Parameters
    ----------
    settings : dict
        The block ``storage`` of the configuration; what it does not say comes from the environment: the variables of
        Snakemake's plugin for S3, then those of Amazon (``AWS_*``).
    connections : int, optional
        How many objects are asked for at once.
    """

    def __init__(self, settings: dict[str, Any], connections: int = 1) -> None:
        import boto3
        import botocore
        from botocore.config import Config

        given = {name: os.environ[variable] for name, variable in _PLUGIN.items() if os.environ.get(variable)}
        own = {"endpoint_url": settings["endpoint_url"], "region_name": settings["region"]}
        given |= {name: value for name, value in own.items() if value}
        session = boto3.Session()
        given.setdefault("region_name", session.region_name or _REGION)
        anonymous = settings["anonymous"]
        if anonymous is None:
            anonymous = "aws_access_key_id" not in given and session.get_credentials() is None
        self._where = given.get("endpoint_url") or next(filter(None, map(os.environ.get, _ENDPOINTS)), None)
        self._region, self._anonymous, self._patience = given["region_name"], anonymous, settings["timeout"]
        self._client = session.client(
            "s3",
            **given,
            config=Config(
                signature_version=botocore.UNSIGNED if anonymous else None,
                connect_timeout=_CONNECT,
                read_timeout=settings["timeout"],
                retries={"total_max_attempts": _ATTEMPTS, "mode": "standard"},
                max_pool_connections=connections,
                # Other stores than Amazon's rarely have a name for each bucket.
                s3={"addressing_style": "path"} if self._where else None,
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    def matching(self, pattern: str) -> list[Stored]:
        """List the objects that match a pattern, once, sorted by their keys.

        Raises
        ------
        StoreProblem
            The bucket cannot be listed.
        """
        bucket, key = bucket_and_key(pattern)
        fits = matcher(key)
        found = []
        with self._problems():
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=constant_part(key))
            for page in pages:
                for entry in page.get("Contents", ()):
                    if fits.fullmatch(entry["Key"]):
                        found.append(_stored(f"s3://{bucket}/{entry['Key']}", entry["Size"], entry))
        return sorted(found)

    def look(self, url: str) -> Stored:
        """Return what the store says of an object.

        Raises
        ------
        StoreProblem
            It cannot be had.
        """
        with self._problems():
            said = self._client.head_object(**_named(url))
        return _stored(url, said["ContentLength"], said)

    def read(self, stored: Stored, start: int, count: int) -> bytes:
        """Read bytes of an object, fewer at its end.

        Raises
        ------
        StoreProblem
            They cannot be had.
        """
        last = min(start + count, stored.size) - 1
        with self._problems():
            content = self._get(stored, f"bytes={start}-{last}").read()
        return complete(content, last + 1 - start)

    def stream(self, stored: Stored, start: int = 0) -> Iterator[bytes]:
        """Read an object from some byte on to its end.

        Raises
        ------
        ConnectionBroken, ObjectChanged, StoreProblem
            It cannot be had, or only a part of it.
        """
        with self._problems():
            body = self._get(stored, f"bytes={start}-")
            while piece := body.read(_PIECE):
                yield piece

    def _get(self, stored: Stored, part: str) -> Any:
        only = {"IfMatch": stored.etag} if stored.etag else {}
        return self._client.get_object(**_named(stored.url), Range=part, **only)["Body"]

    def _problems(self) -> "_Problems":
        return _Problems(self)

    def told(self, error: Exception) -> StoreProblem:
        """Say in one line what boto3's errors mean."""
        from botocore import exceptions

        where = self._where or f"S3 in {self._region}"
        if isinstance(error, exceptions.ClientError):
            return self._refused(error, where)
        if isinstance(error, exceptions.NoCredentialsError | exceptions.PartialCredentialsError):
            return StoreProblem(f"{where}: no credentials; for a public bucket set storage: {{anonymous: true}}")
        if isinstance(error, exceptions.ConnectTimeoutError | exceptions.ReadTimeoutError):
            connected = isinstance(error, exceptions.ReadTimeoutError)
            seconds = self._patience if connected else _CONNECT
            said = f"{where} has not answered within {seconds:g} s, {_ATTEMPTS} times; try again later"
            return Unreachable(said, not connected)
        if isinstance(error, exceptions.ParamValidationError | exceptions.InvalidRegionError | ValueError):
            return StoreProblem(f"{' '.join(str(error).split())}; correct the address, or the key storage")
        if isinstance(error, exceptions.EndpointConnectionError | exceptions.ProxyConnectionError):
            return Unreachable(
                f"{where} cannot be reached; is there a network, and is the endpoint right (storage: endpoint_url)?",
                at_all=True,
            )
        return ConnectionBroken(f"{where}: the connection has ended ({' '.join(str(error).split())})")

    def _refused(self, error: Any, where: str) -> StoreProblem:
        code = str(error.response.get("Error", {}).get("Code"))
        answer = error.response.get("ResponseMetadata", {})
        status, said = answer.get("HTTPStatusCode"), answer.get("HTTPHeaders", {})
        if code in ("NoSuchBucket",):
            return StoreProblem(f"{where} has no such bucket; correct the address, or storage: {{endpoint_url: …}}")
        if code in ("NoSuchKey", "404", "NotFound"):
            return StoreProblem(f"{where} has no such object")
        if code in ("PreconditionFailed", "412", "InvalidRange", "416"):
            return ObjectChanged()
        region = said.get("x-amz-bucket-region")
        if status in (301, 400) and region and region != self._region:
            return StoreProblem(f"the bucket is in {region}, not in {self._region}; set storage: {{region: {region}}}")
        if status in (401, 403):
            how = "without credentials" if self._anonymous else "with the credentials of the environment"
            advice = "give some (AWS_PROFILE)" if self._anonymous else "of a public one: storage: {anonymous: true}"
            return StoreProblem(f"{where}: access denied {how} ({code}); {advice}")
        if status is not None and status >= 500:
            return ConnectionBroken(f"{where} has no answer (HTTP {status}, {_ATTEMPTS} times); try again later")
        return StoreProblem(f"{where} answers {code} (HTTP {status}); correct the address, or the key storage")


class _Problems:
    """Turns what boto3 raises into problems of the store."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        from botocore.exceptions import BotoCoreError, ClientError
        from urllib3.exceptions import HTTPError

        if isinstance(error, BotoCoreError | ClientError | HTTPError | ValueError | OSError):
            raise self._store.told(error) from None


def _named(url: str) -> dict[str, str]:
    bucket, key = bucket_and_key(url)
    return {"Bucket": bucket, "Key": key}


def _stored(url: str, size: int, said: dict[str, Any]) -> Stored:
    # Listings have fractions of a second where an object's own answer has none.
    return Stored(url, size, said.get("ETag"), said["LastModified"].strftime("%Y-%m-%dT%H:%M:%SZ"))
