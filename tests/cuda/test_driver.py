"""numba-cuda's own launches without a GPU, in a process whose driver is the stand-in (`cuda.driver`)."""

from __future__ import annotations

import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")

from cuda.driver.build import missing, run
from numba import cuda

pytestmark = [pytest.mark.skipif(cuda.is_available(), reason="there is a GPU, where the same tests run"),
              pytest.mark.skipif(bool(missing()), reason=missing())]


def passes_there(folder, *more, timeout=600):
    """Tests that need a GPU, there."""
    done = run(folder, "-m", "pytest", "-q", "-n", "0", "-p", "cuda.driver.kernels", "-p", "no:cacheprovider", *more,
               timeout=timeout)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    return done.stdout


def test_launches(tmp_path):
    found = passes_there(tmp_path, "tests/cuda/test_on_device.py")
    assert "skipped" not in found and "passed" in found
    assert not (tmp_path / "unknown.log").exists()


@pytest.mark.slow
def test_the_pool(tmp_path):
    found = passes_there(tmp_path, "tests/cuda/test_derivatives.py", "-k", "test_on_a_gpu", "-m", "slow or not slow",
                   timeout=3600)
    assert "skipped" not in found and "passed" in found


@pytest.mark.slow
def test_the_benchmark(tmp_path):
    """That the command runs and finds its gradients right; its times are none."""
    code = ("import runpy, sys; import cuda.driver.kernels; sys.argv = ['gpu.py', '--small', '--without-tests']; "
            "runpy.run_path('benchmarks/gpu.py', run_name='__main__')")
    done = run(tmp_path, "-W", "ignore", "-c", code, timeout=3600)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "WRONG" not in done.stdout and "right" in done.stdout
