//! ClientHellos: whatever the bytes, a verdict; it never changes as more come, nor with the records they are spread over.
#![no_main]

use evenkeel_proxy::hello::{MOST_BYTES, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let found = parse(bytes);
    match &found {
        Ok(None) => (0..bytes.len()).step_by(7).for_each(|end| assert_eq!(parse(&bytes[..end]), Ok(None))),
        // What has been found or refused stays so.
        decided => assert_eq!(parse(&[bytes, b"\x16\x03\x03\x00\x01\x01"].concat()), *decided),
    }
    let Ok(Some(hello)) = found else { return };
    if let Some(name) = &hello.server_name {
        assert!((1..=255).contains(&name.len()) && **name == *name.to_ascii_lowercase());
    }
    // One record is the usual case: cut it into smaller ones.
    let [22, 3, _, high, low, content @ ..] = bytes else { panic!("a hello begins with a record") };
    let len = usize::from(*high) << 8 | usize::from(*low);
    let Some(content) =
        content.get(..len).filter(|c| parse(&bytes[..5 + c.len()]) == Ok(Some(hello.clone())))
    else {
        return;
    };
    for size in [1, 64] {
        let cut = |c: &[u8]| [&[22, 3, 3, 0, c.len() as u8], c].concat();
        let spread: Vec<u8> = content.chunks(size).flat_map(cut).collect();
        if spread.len() <= MOST_BYTES {
            assert_eq!(parse(&spread), Ok(Some(hello.clone())), "records of {size} bytes");
        }
    }
});
