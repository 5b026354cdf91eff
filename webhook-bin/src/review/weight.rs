//! The memory that a review takes beside its body.

/// What reviews may take beside their bodies, in times of [`Limits::inflight_bytes`](crate::net::limits::Limits). With the bodies it is four, which
/// is the part of the memory that the default of this bound divides by.
pub(crate) const BESIDE_BODIES: usize = 3;

/// What a review takes beside its body: its decoded values and the answer, or more where the body's many small parts
/// take more memory than the usual review of that length.
///
/// Every member, element and string of a body may become an entry of a list or a string on the heap, however short it is.
pub(crate) fn beside_body(body: &[u8]) -> usize {
    const ENTRY: usize = 160;
    let entries = body
        .iter()
        .fold(0, |commas, byte| commas + usize::from(*byte == b','));
    (body.len() * BESIDE_BODIES).max(entries * ENTRY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_of_many_small_parts_weighs_more_than_its_length() {
        let usual =
            br#"{"data":{"password":"ZXlKbGJtTWlPaUpCTWpVMlIwTk5JbjA=","user":"YWRtaW4="}}"#;
        let wide = usual.repeat(1_000);
        assert_eq!(beside_body(&wide), wide.len() * 3);
        let many = br#""a":"","#.repeat(1_000);
        assert_eq!(beside_body(&many), 160 * 1_000);
        assert_eq!(beside_body(b""), 0);
    }
}
