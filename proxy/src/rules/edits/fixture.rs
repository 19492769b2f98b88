//! A message for tests.

use super::*;

/// `X-A: one, two`, `x-a: three` and `Cookie: a=1; b=2`.
pub(in crate::rules) struct Fixed;

impl Seen for Fixed {
    fn each(&self, name: &str, look: &mut dyn FnMut(&[u8])) {
        let fields = [("X-A", "one, two"), ("x-a", "three"), ("Cookie", "a=1; b=2")];
        let named = fields.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
        named.for_each(|(_, value)| look(value.as_bytes()));
    }

    fn fill<'g>(&self, text: &Template, out: &mut Vec<u8>, group: &dyn Fn(u8) -> &'g [u8]) {
        text.write_of_response(out, &(), group);
    }

    fn mapped(&self, _map: MapId, key: &[u8]) -> Option<Box<[u8]>> {
        (key == b"known").then(|| b"value".as_slice().into())
    }

    fn target(&self) -> &[u8] {
        b"/a/b?c=d"
    }
}
