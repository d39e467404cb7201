"""Beds for end-to-end tests: `bed` (fleet `tiny`, kwok, audit log) and `make_bed` for any other."""

from testbed.fixtures import bed, make_bed, pytest_collection_finish, pytest_runtest_makereport

__all__ = ["bed", "make_bed", "pytest_collection_finish", "pytest_runtest_makereport"]
