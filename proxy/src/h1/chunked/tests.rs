use super::*;

/// Offers `bytes` in pieces of `step`, as a relay does: what is not consumed comes again with more behind it.
fn run(output: Output, bytes: &[u8], step: usize) -> Result<(Vec<u8>, usize, bool), ChunkError> {
    let mut chunked = Chunked::new(output);
    let (mut kept, mut pending, mut consumed) = (Vec::new(), Vec::new(), 0);
    for piece in bytes.chunks(step) {
        pending.extend_from_slice(piece);
        let filtered = chunked.filter(&mut pending)?;
        assert!(filtered.kept <= filtered.consumed && filtered.consumed <= pending.len());
        kept.extend_from_slice(&pending[..filtered.kept]);
        pending.drain(..filtered.consumed);
        consumed += filtered.consumed;
        assert_eq!(filtered.done, chunked.is_done());
        if filtered.done {
            break;
        }
    }
    Ok((kept, consumed, chunked.is_done()))
}

fn check(bytes: &[u8], chunks: &[u8], data: &[u8], left: usize) {
    for step in [1, 2, 3, 7, 4096] {
        let expected = bytes.len() - left;
        let shown = bytes.escape_ascii();
        assert_eq!(
            run(Output::Chunks, bytes, step),
            Ok((chunks.to_vec(), expected, true)),
            "{shown} by {step}"
        );
        assert_eq!(run(Output::Data, bytes, step), Ok((data.to_vec(), expected, true)), "{shown} by {step}");
    }
}

#[test]
fn plain_messages_pass_as_they_are() {
    for (bytes, data) in [
        (&b"0\r\n\r\n"[..], &b""[..]),
        (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"A\r\n0123456789\r\n1\r\nx\r\n000\r\n\r\n", b"0123456789x"),
        (b"2\r\n\r\n\r\n0\r\n\r\n", b"\r\n"),
        (b"3\r\nabc\r\n0\r\nX-Sum: 1\r\nY:\r\n\r\n", b"abc"),
    ] {
        check(bytes, bytes, data, 0);
    }
}

#[test]
fn bytes_after_the_message_are_left() {
    check(b"1\r\na\r\n0\r\n\r\nGET / HTTP/1.1", b"1\r\na\r\n0\r\n\r\n", b"a", 14);
}

/// RFC 9112 §7.1.1.
#[test]
fn extensions_are_checked_and_dropped() {
    for extension in [";a", ";a=b", " ; a", "\t;a \t=\t\"q\\\"; \\\\\"", ";a;b=\"\";c", ";a=\"\t\u{e9}\""] {
        let bytes = format!("5{extension}\r\nhello\r\n0{extension}\r\n\r\n");
        check(bytes.as_bytes(), b"5\r\nhello\r\n0\r\n\r\n", b"hello", 0);
    }
    for extension in [
        ";",
        "; ",
        ";;",
        ";a=",
        ";=b",
        " ",
        "\t",
        ";a b",
        ";a=\"",
        ";a=\"b\"c",
        ";a\r;b",
        ";\x00",
        ";a=\"\\\"",
    ] {
        let bytes = format!("5{extension}\r\nhello\r\n0\r\n\r\n");
        assert_eq!(run(Output::Chunks, bytes.as_bytes(), 4096), Err(ChunkError::Extension), "{extension:?}");
    }
}

#[test]
fn broken_chunks_are_refused() {
    use ChunkError::{Extension, LineEnd, Size, Trailer};
    for (bytes, error) in [
        (&b"+5\r\nhello\r\n0\r\n\r\n"[..], Size),
        (b"g\r\nhello\r\n0\r\n\r\n", Size),
        (b" 5\r\nhello\r\n0\r\n\r\n", Size),
        (b"\"5\"\r\nhello\r\n", Size),
        (b"0x5\r\nhello\r\n", Extension),
        (b"5.0\r\nhello\r\n", Extension),
        (b"5\x00\r\nhello\r\n", Extension),
        (b"5\xa0\r\nhello\r\n", Extension),
        (b"5 5\r\nhello\r\n", Extension),
        (b";\r\nhello\r\n", Size),
        (b"\r\nhello\r\n", Size),
        (b"100000005\r\nhello\r\n", Size),
        (b"8000000000000000\r\nhello\r\n", Size),
        (b"ffffffffffffffffffffffffffffffff\r\nhello\r\n", Size),
        (b"00000000000000005\r\nhello\r\n", Size),
        (b"5\nhello\r\n0\r\n\r\n", LineEnd),
        (b"2;\nxx\r\n0\r\n\r\n", LineEnd),
        (b"5\r\r;ABCD\r\n", Extension),
        (b"5\r\nhello\r0\r\n\r\n", LineEnd),
        (b"5\r\nhello0\r\n\r\n", LineEnd),
        (b"5\r\nhello\n0\r\n\r\n", LineEnd),
        (b"5\r\nhelloX\r\n0\r\n\r\n", LineEnd),
        (b"5\r\nhello\r\n\r\n0\r\n\r\n", Size),
        (b"0\r\nXXGET / HTTP/1.1\r\nHost: a\r\n\r\n", Trailer),
        (b"0\r\nabc\r\n\r\n", Trailer),
        (b"0\r\nX : y\r\n\r\n", Trailer),
        (b"0\r\nX: a\r\n b: c\r\n\r\n", Trailer),
        (b"0\r\nX: a\x00\r\n\r\n", Trailer),
        (b"0\r\nX: a\n\r\n", LineEnd),
        (b"0\r\n\n", LineEnd),
    ] {
        for step in [1, 4096] {
            assert_eq!(run(Output::Chunks, bytes, step), Err(error), "{} by {step}", bytes.escape_ascii());
        }
    }
}

/// RFC 9110 §6.5.1.
#[test]
fn trailers_that_frame_or_route_are_dropped() {
    check(
        b"1\r\na\r\n0\r\nContent-Length: 5\r\nA: 1\r\nTransfer-Encoding: chunked\r\nHOST: b\r\nTrailer: x\r\nB: 2\r\n\r\n",
        b"1\r\na\r\n0\r\nA: 1\r\nB: 2\r\n\r\n",
        b"a",
        0,
    );
}

#[test]
fn lines_and_their_sum_are_bounded() {
    let long = "x".repeat(5000);
    for bytes in [format!("5;{long}"), format!("0\r\nX: {long}"), format!("0\r\n{}", "X: y\r\n".repeat(5000))]
    {
        for step in [1000, 100_000] {
            assert_eq!(run(Output::Chunks, bytes.as_bytes(), step), Err(ChunkError::TooLong));
        }
    }
    let many = "1;abcdefgh\r\nx\r\n".repeat(3000);
    assert_eq!(run(Output::Chunks, many.as_bytes(), 1000), Err(ChunkError::TooLong));
    assert!(run(Output::Chunks, "1\r\nx\r\n".repeat(3000).as_bytes(), 1000).is_ok());
}

#[test]
fn the_largest_size_is_taken_without_overflow() {
    let mut chunked = Chunked::new(Output::Chunks);
    let mut bytes = b"00000000ffffffff\r\nx".to_vec();
    assert_eq!(chunked.filter(&mut bytes), Ok(Filtered { kept: 19, consumed: 19, done: false }));
}

#[test]
fn content_without_chunks_is_put_into_chunks() {
    for (pieces, expected) in [
        (vec![], "0\r\n\r\n".to_owned()),
        (vec!["hello"], "5\r\nhello\r\n0\r\n\r\n".to_owned()),
        (vec!["a", "0123456789abcdef"], "1\r\na\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n".to_owned()),
        (vec![&*"x".repeat(0xabc)], format!("abc\r\n{}\r\n0\r\n\r\n", "x".repeat(0xabc))),
    ] {
        let (mut out, mut chunker) = (Vec::new(), Chunker::First);
        for piece in pieces {
            chunker.begin(&mut out, piece.len());
            out.extend_from_slice(piece.as_bytes());
        }
        chunker.end(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}

proptest::proptest! {
    /// However a message is cut, the same comes out.
    #[test]
    fn pieces_do_not_matter(chunks in proptest::collection::vec("[a-z\r\n]{1,40}", 0..8), step in 1_usize..50) {
        let mut bytes = String::new();
        for (i, chunk) in chunks.iter().enumerate() {
            let extension = if i % 2 == 0 { "" } else { " ;e=\"1\"" };
            bytes.push_str(&format!("{:x}{extension}\r\n{chunk}\r\n", chunk.len()));
        }
        bytes.push_str("0\r\nTe: x\r\nT: x\r\n\r\nnext");
        let whole = run(Output::Chunks, bytes.as_bytes(), bytes.len()).unwrap();
        assert_eq!(run(Output::Chunks, bytes.as_bytes(), step).unwrap(), whole);
        assert!(whole.2 && whole.1 == bytes.len() - 4);
        assert_eq!(run(Output::Data, bytes.as_bytes(), step).unwrap().0, chunks.concat().into_bytes());
    }

    /// Whatever the bytes are: no panic, and nothing is kept that was not there.
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(proptest::sample::select(b"05af;=\"\r\n\r\n: x".to_vec()), 0..200)) {
        let mut buf = bytes.clone();
        if let Ok(filtered) = Chunked::new(Output::Chunks).filter(&mut buf) {
            assert!(filtered.kept <= filtered.consumed && filtered.consumed <= bytes.len());
        }
    }
}
