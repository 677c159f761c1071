"""The annotation page over a small run."""

import pytest
from annotation_run import Browser, make_board, write_run

from dsmath_pipeline.annotation_app.security import access_for
from dsmath_pipeline.annotation_app.server import create_app


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "run")


@pytest.fixture
def database(tmp_path):
    return tmp_path / "labels.sqlite"


@pytest.fixture
def board(run, database):
    return make_board(run, database)


@pytest.fixture
def app(board):
    return create_app(board, access_for("127.0.0.1"))


@pytest.fixture
def ana(app):
    return Browser(app, "Ana")


@pytest.fixture
def ben(app):
    return Browser(app, "Ben")
