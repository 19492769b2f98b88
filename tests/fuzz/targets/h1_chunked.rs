//! The chunked coding: the same result however the bytes are cut, and output that is chunked coding again.
#![no_main]

use evenkeel_proxy::h1::chunked::{Chunked, Output};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((step, body)) = bytes.split_first() else { return };
    for output in [Output::Chunks, Output::Data] {
        let whole = pass(body, body.len().max(1), output);
        let cut = pass(body, usize::from(*step) + 1, output);
        // Lines that stay incomplete keep what stood before them either way; a broken message loses what it had.
        assert_eq!(whole.is_ok(), cut.is_ok(), "cut into pieces of {step}");
        if let (Ok(whole), Ok(cut)) = (&whole, &cut) {
            assert_eq!(whole, cut, "cut into pieces of {step}");
        }
    }
    if let (Ok((chunks, true)), Ok((data, true))) =
        (pass(body, body.len().max(1), Output::Chunks), pass(body, body.len().max(1), Output::Data))
    {
        let (again, done) =
            pass(&chunks, chunks.len(), Output::Chunks).expect("what is passed on is chunked coding");
        assert!(done && again == chunks, "cleaning twice changes nothing");
        let (data_again, _) = pass(&chunks, chunks.len(), Output::Data).expect("and carries the same data");
        assert_eq!(data_again, data);
    }
});

/// What is passed on of a message that arrives in pieces of `step`, and whether it is complete.
fn pass(body: &[u8], step: usize, output: Output) -> Result<(Vec<u8>, bool), ()> {
    let mut chunked = Chunked::new(output);
    let (mut out, mut waiting) = (Vec::new(), Vec::new());
    for piece in body.chunks(step) {
        waiting.extend_from_slice(piece);
        let filtered = chunked.filter(&mut waiting).map_err(drop)?;
        assert!(filtered.kept <= filtered.consumed && filtered.consumed <= waiting.len());
        out.extend_from_slice(&waiting[..filtered.kept]);
        waiting.drain(..filtered.consumed);
        if filtered.done {
            break;
        }
    }
    Ok((out, chunked.is_done()))
}
