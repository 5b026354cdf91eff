//! Where lines begin and end.

/// Where the line of this offset begins.
pub(super) fn line_start(source: &str, offset: usize) -> usize {
    source.as_bytes()[..offset]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1)
}

/// Where the line of this offset ends, before its line break.
pub(super) fn line_end(source: &str, offset: usize) -> usize {
    let rest = &source.as_bytes()[offset..];
    let end = rest
        .iter()
        .position(|byte| *byte == b'\n')
        .map_or(source.len(), |at| offset + at);
    if end > offset && source.as_bytes()[end - 1] == b'\r' {
        end - 1
    } else {
        end
    }
}
