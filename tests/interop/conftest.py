"""Fixtures and the seed. Every run draws fresh cases; LAMINA_SEED repeats one."""

import os
import pathlib
import random

import keras_setup  # noqa: F401: first
import keras
import numpy as np
import pytest

from lamina_driver import Driver

SEED = int(os.environ.get("LAMINA_SEED") or random.SystemRandom().randrange(10**6))


def pytest_report_header():
    return f"LAMINA_SEED={SEED}, Keras {keras.__version__} on {keras.backend.backend()}"


def pytest_generate_tests(metafunc):
    """A test that takes `case` runs once for each of its `@pytest.mark.cases(n)` seeds."""
    marker = metafunc.definition.get_closest_marker("cases")
    if marker:
        metafunc.parametrize("case", [f"{SEED}-{i}" for i in range(marker.args[0])])


@pytest.fixture
def rng(request):
    """Numpy's generator, seeded by the run's seed and the test's name (or its case)."""
    return np.random.default_rng(list(_seed_text(request).encode()))


@pytest.fixture
def draw(request):
    """Python's generator, seeded likewise."""
    return random.Random(_seed_text(request))


def _seed_text(request):
    case = request.node.callspec.params.get("case") if hasattr(request.node, "callspec") else None
    return case or f"{SEED} {request.node.name}"


@pytest.fixture(scope="session")
def driver_program():
    program = os.environ.get("LAMINA_INTEROP")
    if not program or not pathlib.Path(program).exists():
        pytest.fail("LAMINA_INTEROP must name the built lamina_interop", pytrace=False)
    return program


@pytest.fixture
def lamina(driver_program, request, tmp_path):
    """A driver, kept between tests as long as it lives."""
    driver = getattr(request.session, "lamina_driver", None)
    if driver is None or driver.process.poll() is not None:
        driver = request.session.lamina_driver = Driver(driver_program, tmp_path)
    driver.scratch = tmp_path
    driver.request("reset")
    return driver


def pytest_sessionfinish(session):
    driver = getattr(session, "lamina_driver", None)
    if driver is not None and driver.process.poll() is None:
        driver.close()


@pytest.fixture(autouse=True)
def fresh_keras():
    keras.utils.clear_session(free_memory=False)
    keras.config.set_dtype_policy("float32")
    yield
    keras.config.set_dtype_policy("float32")
