//! A dataplane in the memory of a process: for tests, simulation and fuzzing.
