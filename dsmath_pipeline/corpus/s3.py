"""Objects of S3 as web addresses: signed with the user's credentials, or bare for public ones.

An `s3://bucket/key` is asked for over HTTP, so that downloads are throttled, continued and checked in one way wherever
they come from (patience.py). s3fs finds credentials, region and endpoint as AWS's own tools do (`AWS_ACCESS_KEY_ID`,
`AWS_PROFILE`, `AWS_ENDPOINT_URL`, roles of machines); it is the extra `s3`.

Not in the paper: fetching is not described.
"""

from typing import Any

_SCHEME = "s3://"
_SIGNED_SECONDS = 3600
"""An address must live as long as its answer begins; each request gets its own."""


class S3Error(RuntimeError):
    """S3 cannot be asked from here; the message says what to install or to set."""


def is_s3(url: str) -> bool:
    return url.startswith(_SCHEME)


def web_address(url: str, anonymous: bool) -> str:
    """The HTTP address of `s3://bucket/key`, good for an hour; any other address as it is. Raises S3Error."""
    return _ask(url, anonymous, "sign", expiration=_SIGNED_SECONDS) if is_s3(url) else url


def list_folder(url: str, anonymous: bool) -> list[str]:
    """Addresses of the objects directly below `s3://bucket/folder/`, sorted. Raises S3Error."""
    try:
        found = _ask(url.rstrip("/"), anonymous, "ls", detail=False)
    except FileNotFoundError:
        return []
    return sorted(_SCHEME + name for name in found)


def _ask(url: str, anonymous: bool, method: str, **options: Any) -> Any:
    try:
        return getattr(_filesystem(anonymous), method)(url.removeprefix(_SCHEME), **options)
    except (FileNotFoundError, S3Error):
        raise
    except Exception as error:  # botocore's many kinds of missing credentials, and refusals
        raise S3Error(
            f"{url}: {type(error).__name__}: {error}; set AWS credentials (AWS_PROFILE, AWS_ACCESS_KEY_ID, ...), or "
            "fetch.s3_anonymous=true for a public bucket"
        ) from error


def _filesystem(anonymous: bool) -> Any:
    """s3fs keeps one for each process and way of asking."""
    try:
        import s3fs
    except ImportError as error:
        raise S3Error("s3:// needs the extra `s3`: pip install 'dsmath-pipeline[s3]'") from error
    config = {} if anonymous else {"signature_version": "s3v4"}
    return s3fs.S3FileSystem(anon=anonymous, config_kwargs=config)
