"""Namespace tests: real daemons on hosts that are network namespaces.

    tests/run -k NAME                                   as CI does it
    MESHD_BUILD=build pytest tests/netns -k NAME        with a build of your own

MESHD_TEST_BACKEND is `userspace` (default) or `kernel`. With MESHD_TEST_SANDBOX=1 each daemon is a unit of systemd's with all
that meshd.service takes away from it (sandbox.py says how to run that).
"""
import os
import signal

import pytest

from mesh import BACKEND, SANDBOX, World


def pytest_configure(config):
    if os.geteuid() != 0:
        raise pytest.UsageError("the namespace tests need root")

    def interrupt(number, frame):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)  # finalizers run for SIGTERM too


def shares_a_mesh(item):
    definitions = item._fixtureinfo.name2fixturedefs.values()
    return any(definition.scope == "module" for found in definitions for definition in found)


@pytest.hookimpl(tryfirst=True)  # before xdist, which looks at the marks
def pytest_collection_modifyitems(config, items):
    """What one mesh is made for stays with one worker. What takes long comes first: no worker is left alone with it at the
    end. In the virtual machine what has nothing to do with its backend, and in the sandbox what is about the outside, is no
    test at all, rather than a skipped one."""
    for item in items:
        if shares_a_mesh(item):
            item.add_marker(pytest.mark.xdist_group(item.module.__name__))
    items.sort(key=lambda item: not (item.get_closest_marker("slow") or item.get_closest_marker("xdist_group")))
    if SANDBOX:
        from sandbox import OUTSIDE, OUTSIDE_FILES
        needless = [item for item in items if item.originalname in OUTSIDE or item.module.__name__ in OUTSIDE_FILES]
    elif BACKEND == "kernel":
        needless = [item for item in items if any(mark.args and mark.args[0] is True for mark in item.iter_markers("skipif"))]
    else:
        return
    config.hook.pytest_deselected(items=needless)
    items[:] = [item for item in items if item not in needless]


@pytest.fixture
def world(tmp_path, request):
    made = World(tmp_path)
    request.node.world = made
    try:
        yield made
    finally:
        wrong = made.close()
    assert not wrong, "\n".join(wrong)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows what its daemons said."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        # A world may be shared by the tests of a file.
        for node in getattr(getattr(item, "world", getattr(item.parent, "world", None)), "nodes", []):
            report.sections.append((f"meshd of {node.name}, from {node.log}", node.log_tail()))
