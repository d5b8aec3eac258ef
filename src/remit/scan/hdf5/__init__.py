"""HDF5 files (HDF5 File Format Specification 3.0), read in bounds and without libhdf5."""
