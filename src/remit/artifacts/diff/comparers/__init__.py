"""Comparers, one file each: a module's ``COMPARER`` takes pairs of files, its ``ASPECT`` trees."""
