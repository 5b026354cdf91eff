# The contents page of this repository: what one can do in it. `just` alone lists it.
# Nothing here is needed to build: every recipe is a line or two of cargo.

_list:
    @just --list --unsorted

# What goes in must pass this: the whole gate, about half an hour from cold on two cores
ci *stages:
    .ci/run {{ stages }}

# The journey of one secret on this machine
demo *flags:
    cargo build --release
    target/release/privy demo {{ flags }}

# All tests of the product
test *filter:
    cargo test --workspace {{ filter }}

# Format everything
fmt:
    cargo fmt --all

# What clippy says, with warnings denied
lint:
    cargo clippy --workspace --all-targets --all-features -- -D warnings

# The documentation of all crates, with warnings denied
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --all-features --no-deps

# Tests, files and links that the documents name
names:
    .ci/check-docs

# Licences, bans, sources, advisories
deny:
    cargo deny check

# Each crate alone, each feature alone
features:
    .ci/run features tree

# Against real servers, built once into a cache: `just e2e cluster`, `just e2e --all`
e2e *arguments:
    e2e/run {{ arguments }}

# Fuzz one target: `just fuzz parse_compact 600`; needs nightly Rust and cargo-fuzz
fuzz target seconds="60":
    cargo +nightly fuzz run {{ target }} -- -max_total_time={{ seconds }}

# Measurements; docs/performance.md says what they mean
bench *filter:
    cargo bench --package benches -- {{ filter }}
