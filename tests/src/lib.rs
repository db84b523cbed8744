//! Whole-server, simulation, repository, interop and browser tests.
