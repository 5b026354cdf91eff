//! Each key service from end to end, over a fake that speaks its protocol: the program is given a configuration and nothing
//! else, opens a value, and says in `check-config --probe`, `/readyz?verbose` and the metrics how its keys can be reached.

mod bench;
mod journey;
mod local_ones;
mod services;
