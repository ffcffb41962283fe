"""Derivatives of numba-cuda's kernels. Importing this imports no numba-cuda."""
