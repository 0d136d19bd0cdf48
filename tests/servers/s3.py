"""An object store on this machine: moto's server, which speaks S3."""

import boto3
from moto.server import ThreadedMotoServer

#: What boto3 has to be told of it; credentials are whatever one likes.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "somebody", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true"}


class ObjectServer:
    """A store with one bucket, ``archive``.

    Attributes
    ----------
    url : str
        Its endpoint.
    """

    def __enter__(self):
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        host, port = self._server.get_host_and_port()
        self.url = f"http://{host}:{port}"
        self.client = boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="somebody",
            aws_secret_access_key="secret",
        )
        self.client.create_bucket(Bucket="archive")
        return self

    def __exit__(self, *_):
        self.client.close()
        self._server.stop()

    def put(self, key, content, **more):
        self.client.put_object(Bucket="archive", Key=key, Body=content, **more)
        return f"s3://archive/{key}"

    def remove(self, key):
        self.client.delete_object(Bucket="archive", Key=key)
