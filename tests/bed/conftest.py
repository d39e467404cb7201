"""Beds for the tests of the test bed itself."""

from testbed.fixtures import bed, make_bed, pytest_collection_finish, pytest_runtest_makereport

__all__ = ["bed", "make_bed", "pytest_collection_finish", "pytest_runtest_makereport"]
