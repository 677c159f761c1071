"""The annotation page as a web application: Starlette, served by uvicorn, pages from Jinja templates.

Addresses: `/` labels, `/disagreements`, `/round`, `/labels.jsonl`, `/sign-in`; POST `/label`, `/undo`, `/resolve`,
`/finish`, `/sign-in`, `/sign-out`. A POST answers with a redirect, or with the page itself when the script asks
(`X-Fragment`), which then swaps the parts that changed. Everything works without the script, too.
"""

import contextlib
import socket
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from ..progress import SILENT, Progress
from ..storage import Folder
from .agreement import mean_kappa
from .board import Board
from .candidates import open_candidates
from .label_files import export_bytes
from .label_store import LabelStore, LabelStoreError, annotator_name
from .security import Access, Guard, Session, access_for, new_session, set_session
from .views import Place, disagreements_view, round_view, work_view

_HERE = Path(__file__).parent
_WORDS = {"math": "math", "not_math": "not math", "unsure": "unsure", "": "no label"}


def serve(
    root: Folder,
    database: Path,
    host: str = "127.0.0.1",
    port: int = 8710,
    *,
    iteration: int | None = None,
    crawl: str = "",
    token: str | None = None,
    allow_hosts: tuple[str, ...] = (),
    progress: Progress = SILENT,
) -> None:
    """Serve the page until interrupted. `database` is made when missing; `iteration` defaults to the newest one.

    Raises ArtifactError when the run at `root` has nothing to annotate, LabelStoreError when `database` is not a label
    file, AccessError for a bad token, and OSError when the port is taken.
    """
    access = access_for(host, token, allow_hosts)
    with _listen(host, port) as listener:
        store = LabelStore(database)
        cache = database.with_name(f"{database.stem}_pages")
        candidates = open_candidates(root, cache, iteration, crawl, progress=progress)
        app = create_app(Board(candidates, store), access)
        num = len(candidates.queue)
        print(f"{num} mathematical domains of iteration {candidates.iteration}, crawl {candidates.crawl}")
        print(f"Labels: {database.resolve()}")
        shown = f"[{host}]" if ":" in host else host
        print(f"Annotation page: http://{shown}:{listener.getsockname()[1]}/  (Ctrl+C ends it)", flush=True)
        if access.token is not None:
            print(f"Access token: {access.token}")
            print("Without HTTPS in front, others in the network can read along.", flush=True)
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False, lifespan="off", proxy_headers=False,
            limit_concurrency=100, timeout_keep_alive=30,
        )  # fmt: skip
        with contextlib.suppress(KeyboardInterrupt):  # uvicorn has ended in order before it passes Ctrl+C on
            uvicorn.Server(config).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host.strip("[]"), port), family=family)
    except OSError as error:
        raise OSError(f"cannot listen on {host} port {port} ({error.strerror or error}); try another --port") from error


def create_app(board: Board, access: Access) -> Starlette:
    """The application, complete with its guard."""
    pages = _Pages(board, access)
    routes = [
        Route("/", pages.work),
        Route("/disagreements", pages.disagreements),
        Route("/round", pages.round),
        Route("/labels.jsonl", pages.download),
        Route("/label", pages.label, methods=["POST"]),
        Route("/undo", pages.undo, methods=["POST"]),
        Route("/resolve", pages.resolve, methods=["POST"]),
        Route("/finish", pages.finish, methods=["POST"]),
        Route("/sign-in", pages.sign_in),
        Route("/sign-in", pages.signed_in, methods=["POST"]),
        Route("/sign-out", pages.sign_out, methods=["POST"]),
        Mount("/static", StaticFiles(directory=_HERE / "static")),
    ]
    return Starlette(
        routes=routes, middleware=[Middleware(Guard, access=access)],
        exception_handlers={LabelStoreError: lambda _, error: PlainTextResponse(f"Try again: {error}.", 503)},
    )  # fmt: skip


def _environment() -> jinja2.Environment:
    """Templates with everything escaped that is not known to be safe, and an error for every name that is missing."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    filters: dict[str, Callable[..., str]] = {
        "number": "{:,}".format,
        "signed": lambda value: f"{value:+,}".replace("-", "\N{MINUS SIGN}"),
        "percent": lambda value: f"{100 * value:.0f} %",
        "label": _WORDS.__getitem__,
        "when": lambda text: text[:16].replace("T", " "),
    }
    environment.filters.update(filters)
    helpers: dict[str, Any] = {"new_id": lambda: str(uuid.uuid4())}
    environment.globals.update(helpers)
    return environment


class _Pages:
    """The endpoints. They are plain functions: Starlette runs each in a thread of its own."""

    def __init__(self, board: Board, access: Access):
        self.board, self.access = board, access
        self.templates = _environment()

    def work(self, request: Request, place: Place | None = None, message: str = "", status: int = 200) -> Response:
        place = place or Place.of(request.query_params)
        view = work_view(self.board, _me(request), place)
        return self._show(request, "work.html", view, message, status)

    def disagreements(self, request: Request, message: str = "", status: int = 200) -> Response:
        return self._show(request, "disagreements.html", disagreements_view(self.board), message, status)

    def round(self, request: Request, message: str = "", status: int = 200) -> Response:
        return self._show(request, "round.html", round_view(self.board, _me(request)), message, status)

    def download(self, request: Request) -> Response:
        with self.board.lock:
            data = export_bytes(self.board.votes())
        headers = {"Content-Disposition": 'attachment; filename="labels.jsonl"'}
        return Response(data, media_type="application/x-ndjson", headers=headers)

    def label(self, request: Request) -> Response:
        form, me, place = request.scope["form"], _me(request), Place.of(request.query_params)
        prefix, label = form.get("url_prefix", ""), form.get("label", "?")

        def write() -> str:
            gained = self.board.label(form.get("id", ""), me, prefix, label, form.get("note", ""))
            change = f"{gained:+,} pages".replace("-", "\N{MINUS SIGN}")
            return f"{prefix}: {_WORDS[label]} ({change})"

        return self._act(request, write, lambda message, status: self.work(request, place, message, status))

    def undo(self, request: Request) -> Response:
        place = Place.of(request.query_params)
        shown = [place]

        def write() -> str:
            event = self.board.undo(request.scope["form"].get("id", ""), _me(request))
            if event is None:
                return "Nothing to undo in this round."
            shown[0] = Place(event.url_prefix, event.url_prefix, place.show, place.find, place.small)
            return f"Undone: {event.url_prefix} as {_WORDS[event.label]}"

        return self._act(request, write, lambda message, status: self.work(request, shown[0], message, status))

    def resolve(self, request: Request) -> Response:
        form = request.scope["form"]

        def write() -> str:
            prefix, label = form.get("url_prefix", ""), form.get("label", "?")
            self.board.resolve(form.get("id", ""), _me(request), prefix, label, form.get("note", ""))
            return f"Settled: {prefix} is {_WORDS[label]}"

        return self._act(request, write, lambda message, status: self.disagreements(request, message, status))

    def finish(self, request: Request) -> Response:
        form = request.scope["form"]

        def write() -> str:
            number, last = (_whole(form.get(name, "")) for name in ("round", "last_event"))
            done = self.board.finish(number, _me(request), last, form.get("leave_open") == "1")
            return f"Round {done.round} is finished, prefixes labelled: {done.num_labels:,}"

        return self._act(request, write, lambda message, status: self.round(request, message, status))

    def sign_in(self, request: Request, message: str = "", status: int = 200) -> Response:
        response = self._show(request, "sign_in.html", {"needs_token": self.access.token is not None}, message, status)
        set_session(response, request.scope["session"], request.scope, self.access)
        return response

    def signed_in(self, request: Request) -> Response:
        form = request.scope["form"]
        if not self.access.is_token(form.get("token", "")):
            return self.sign_in(request, "That is not the access token that was printed at the start.", 403)
        try:
            session = new_session(annotator_name(form.get("name", "")))
        except LabelStoreError as error:
            return self.sign_in(request, f"Choose another name: {error}.", 422)
        return self._redirect(request, "/", session)

    def sign_out(self, request: Request) -> Response:
        return self._redirect(request, "/sign-in", new_session())

    def _act(self, request: Request, write: Callable[[], str], show: Callable[[str, int], Response]) -> Response:
        """Write, then show the page again, with what was done or why it was refused."""
        try:
            message = write()
        except LabelStoreError as error:
            return show(f"Not saved: {error}.", 409)
        if "x-fragment" in request.headers:
            return show(message, 200)
        return RedirectResponse(_back(request), 303)

    def _redirect(self, request: Request, path: str, session: Session) -> Response:
        response = RedirectResponse(path, 303)
        set_session(response, session, request.scope, self.access)
        return response

    def _show(self, request: Request, template: str, view: dict[str, Any], message: str, status: int) -> Response:
        session: Session = request.scope["session"]
        common = {
            "me": session.name, "csrf": session.csrf(self.access), "message": message, "is_refused": status >= 400,
            "path": request.url.path, "candidates": self.board.candidates,
        }  # fmt: skip
        if session.name:
            common |= self._header()
        text = self.templates.get_template(template).render(common | view)
        return HTMLResponse(text, status)

    def _header(self) -> dict[str, Any]:
        """Figures that every page shows."""
        votes = self.board.votes()
        with self.board.lock:
            num_open, kappa = len(votes.disagreements()), mean_kappa(self.board.agreements())
        return {"num_open": num_open, "kappa": kappa, "team_gain": self.board.team_gain()}


def _me(request: Request) -> str:
    return request.scope["session"].name


def _back(request: Request) -> str:
    """Where a form without the script goes after it was written."""
    path = {"/resolve": "/disagreements", "/finish": "/round"}.get(request.url.path, "/")
    return f"{path}?{request.url.query}" if path == "/" and request.url.query else path


def _whole(text: str) -> int:
    if not text.isdecimal() or len(text) > 18:
        raise LabelStoreError("the form is not complete; load the page again")
    return int(text)
