//! Simulation and end-to-end harness.
