//! Holds work to linear in the size of an input, by counting allocations rather than by a clock: the number of them, the
//! bytes of all of them, and the most that were held at one time.

use allocation_counter::{AllocationInfo, measure};

/// Doublings of each input.
const DOUBLINGS: u32 = 3;

/// What twice the input may cost, in times of what it cost before. Growing vectors double now and then; what is quadratic
/// costs four times as much.
const TWICE: u64 = 5;
const TWICE_OF: u64 = 2;

/// Allocations that do not depend on the input, which matter while it is small.
const FIXED: u64 = 64 << 10;

/// Runs `work` over inputs of `first` parts, twice as many, and so on.
pub(crate) fn assert_linear<I>(
    what: &str,
    first: usize,
    make: impl Fn(usize) -> I,
    work: impl Fn(&I),
) {
    // What is made once per process is not the input's.
    work(&make(1));
    let costs: Vec<AllocationInfo> = (0..=DOUBLINGS)
        .map(|doubling| make(first << doubling))
        .map(|input| measure(|| work(&input)))
        .collect();
    for (name, cost) in [
        (
            "allocations",
            (|cost| cost.count_total) as fn(&AllocationInfo) -> u64,
        ),
        ("bytes", |cost| cost.bytes_total),
        ("bytes at one time", |cost| cost.bytes_max),
    ] {
        let costs: Vec<u64> = costs.iter().map(cost).collect();
        for pair in costs.windows(2) {
            assert!(
                pair[1] <= pair[0] * TWICE / TWICE_OF + FIXED,
                "{what}: {name} grow faster than the input: {costs:?}"
            );
        }
    }
}

/// The most bytes that `work` holds at one time.
pub(crate) fn most_held(work: impl FnOnce()) -> u64 {
    measure(work).bytes_max
}
