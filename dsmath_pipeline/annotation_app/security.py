"""Who may talk to the annotation page: hosts, origins, sessions, CSRF tokens, sizes, response headers.

`Guard` wraps the application. A request passes when its Host header is one of ours (a foreign name means DNS
rebinding), its size is bounded and, for a POST, when its Origin is the very host it asks and it carries the CSRF token
of its session. Off loopback, signing in needs the access token that is printed at the start.

Names say who labels; they are not proof of identity: whoever may sign in may sign in under any name.
"""

import base64
import hashlib
import hmac
import ipaddress
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 16_384
MAX_URL_BYTES = 8_192
SESSION_SECONDS = 30 * 24 * 3600
LOOPBACK_NAMES = frozenset(("127.0.0.1", "localhost", "[::1]"))
SIGN_IN = "/sign-in"
FORM_TYPE = "application/x-www-form-urlencoded"

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # "no-referrer" would make browsers send "Origin: null" with our own forms
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class AccessError(ValueError):
    """The page may not be served the way it was asked to; the message says what to do."""


@dataclass(frozen=True)
class Access:
    """Who may come in. `token` is None on loopback only."""

    hosts: frozenset[str]
    """Names that a Host header may carry, without port, lower case; IPv6 in brackets."""
    token: str | None
    any_address: bool = False
    """Any IP address is fine as Host: bound to all interfaces. An address cannot be rebound, a name can."""
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    """Signs sessions; new at every start."""

    def allows_host(self, host: str) -> bool:
        """May a request carry this Host header?"""
        name, bracket, _ = host.partition("]")
        name = (f"{name}]" if bracket else host.partition(":")[0]).lower()
        return name in self.hosts or (self.any_address and _address(name.strip("[]")) is not None)

    def is_token(self, given: str) -> bool:
        """Is this the access token? Compared in constant time; anything will do on loopback."""
        return self.token is None or hmac.compare_digest(given.encode(), self.token.encode())


def access_for(host: str, token: str | None = None, allow_hosts: tuple[str, ...] = ()) -> Access:
    """Rules for a server bound to `host`. Off loopback a token is made when none is given.

    Raises AccessError for a token that is too short to be one.
    """
    if token is not None and len(token) < 16:
        raise AccessError("the access token needs at least 16 characters; leave it out to have one made")
    address = _address(host.strip("[]"))
    is_loopback = host.lower() == "localhost" or (address is not None and address.is_loopback)
    hosts = {name.lower() for name in allow_hosts} | LOOPBACK_NAMES
    hosts.add(f"[{address}]" if address is not None and address.version == 6 else host.lower())
    if not is_loopback or allow_hosts:  # a name from elsewhere means that a proxy brings strangers to loopback
        token = token or secrets.token_urlsafe(24)
    return Access(frozenset(hosts), token, address is not None and address.is_unspecified)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


@dataclass(frozen=True)
class Session:
    """A browser's session. `name` is empty until somebody signs in."""

    ident: str
    name: str = ""

    def csrf(self, access: Access) -> str:
        """The token that every POST of this session must carry."""
        return _signature(access.secret, f"csrf:{self.ident}:{self.name}")

    def cookie(self, access: Access) -> str:
        """The signed cookie value."""
        data = json.dumps([self.ident, self.name, int(time.time())]).encode()
        text = base64.urlsafe_b64encode(data).decode()
        return f"{text}.{_signature(access.secret, text)}"


def new_session(name: str = "") -> Session:
    """A session with an identifier of its own; made anew at sign-in, so that no older cookie stays valid for it."""
    return Session(secrets.token_urlsafe(16), name)


def read_session(cookie: str, access: Access) -> Session | None:
    """The session of a cookie value; None when it is forged, damaged or too old."""
    text, _, signature = cookie.rpartition(".")
    if not hmac.compare_digest(signature.encode(), _signature(access.secret, text).encode()):
        return None
    try:
        ident, name, made = json.loads(base64.urlsafe_b64decode(text))
    except ValueError:
        return None
    return Session(ident, name) if time.time() - made < SESSION_SECONDS else None


def _signature(secret: bytes, text: str) -> str:
    return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()


def cookie_name(scope: Scope) -> str:
    """Cookies are shared by all ports of a host: two pages on two ports must not sign each other out."""
    return f"dsmath_annotation_{scope['server'][1] if scope.get('server') else 0}"


def set_session(response: Response, session: Session, scope: Scope, access: Access) -> None:
    """Give the browser the session's cookie."""
    response.set_cookie(
        cookie_name(scope), session.cookie(access), max_age=SESSION_SECONDS, path="/", httponly=True, samesite="strict",
        secure=scope.get("scheme") == "https",
    )  # fmt: skip


class Guard:
    """ASGI middleware: refuses what may not pass, puts `session` and `form` into the scope, adds headers."""

    def __init__(self, app: ASGIApp, access: Access):
        self.app, self.access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            return
        headers = Headers(scope=scope)
        scope["session"] = self._session(headers, scope)
        refused = self._refuse(scope, headers)
        if refused is None and scope["method"] == "POST":
            refused = await self._read_form(scope, headers, receive)
        if refused is None:
            refused = self._not_signed_in(scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add_headers(MutableHeaders(scope=message), scope["path"])
            await send(message)

        await (refused or self.app)(scope, receive, send_with_headers)

    def _session(self, headers: Headers, scope: Scope) -> Session:
        try:
            cookies = SimpleCookie(headers.get("cookie", ""))
        except CookieError:
            return new_session()
        morsel = cookies.get(cookie_name(scope))
        return (read_session(morsel.value, self.access) if morsel else None) or new_session()

    def _refuse(self, scope: Scope, headers: Headers) -> Response | None:
        host = headers.get("host", "")
        if len(headers.getlist("host")) != 1 or not self.access.allows_host(host):
            return _refusal(403, "This page is not served under that host name (use --allow-host for a proxy).")
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > MAX_URL_BYTES:
            return _refusal(414, "The address is too long.")
        if scope["method"] not in ("GET", "HEAD", "POST"):
            return _refusal(405, "Only GET, HEAD and POST are answered.")
        if scope["method"] == "POST":
            if headers.get("origin", "") not in (f"http://{host}", f"https://{host}"):
                return _refusal(403, "Requests from other sites are refused.")
            if headers.get("content-type", "").partition(";")[0].strip().lower() != FORM_TYPE:
                return _refusal(415, f"Send {FORM_TYPE}.")
        return None

    async def _read_form(self, scope: Scope, headers: Headers, receive: Receive) -> Response | None:
        body = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return _refusal(400, "The request ended early.")
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > MAX_BODY_BYTES:
                return _refusal(413, "The request is too large.")
        try:
            scope["form"] = form = _parse_form(bytes(body))
        except ValueError:
            return _refusal(400, "The form cannot be read.")
        token = headers.get("x-csrf-token") or form.get("csrf", "")
        if not hmac.compare_digest(token.encode(), scope["session"].csrf(self.access).encode()):
            return _refusal(403, "The form has expired. Reload the page and try again.")
        return None

    def _not_signed_in(self, scope: Scope) -> Response | None:
        if scope["session"].name or scope["path"] == SIGN_IN or scope["path"].startswith("/static/"):
            return None
        return RedirectResponse(SIGN_IN, 303) if scope["method"] != "POST" else _refusal(403, "Sign in first.")


def _parse_form(body: bytes) -> Mapping[str, str]:
    """Fields of a urlencoded form; the last value of a repeated field. Raises ValueError when it is not one."""
    text = body.decode("ascii")
    fields = parse_qs(text, keep_blank_values=True, strict_parsing=bool(text), max_num_fields=20, errors="strict")
    return {name: values[-1] for name, values in fields.items()}


def _refusal(status: int, text: str) -> Response:
    return PlainTextResponse(text, status)


def _add_headers(headers: MutableHeaders, path: str) -> None:
    for name, value in _HEADERS.items():
        headers[name] = value
    headers["Cache-Control"] = "no-cache" if path.startswith("/static/") else "no-store"
